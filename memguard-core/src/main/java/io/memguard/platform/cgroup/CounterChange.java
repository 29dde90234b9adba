package io.memguard.platform.cgroup;

import java.util.Optional;

/**
 * How much one cgroup's counters have risen.
 *
 * @param vanished whether it was removed in between: then nothing else is known
 * @param hierarchical of it and all below it; v2 only
 * @param local of its own
 */
public record CounterChange(
    Cgroup cgroup, boolean vanished, Optional<Counters> hierarchical, Optional<Counters> local) {
  static CounterChange vanished(Cgroup cgroup) {
    return new CounterChange(cgroup, true, Optional.empty(), Optional.empty());
  }

  /**
   * Tells whether this very cgroup's limit was reached and reclaim did not help; v2 only. Where the
   * kernel then found nobody to kill, an allocation failed instead.
   */
  public boolean outOfMemory() {
    return local.map(counters -> counters.any(Counter.OOM)).orElse(false);
  }

  /**
   * Tells whether this very cgroup's limit was reached. That is no emergency by itself: dropping
   * page cache may have been enough.
   */
  public boolean limitReached() {
    return local.map(counters -> counters.limitReached().orElse(0) > 0).orElse(false);
  }

  /** Tells whether the OOM killer killed a process of this very cgroup. */
  public boolean killedHere() {
    return local.map(counters -> counters.any(Counter.OOM_KILL)).orElse(false);
  }

  /** Tells whether the OOM killer killed a process of this cgroup or one below it. */
  public boolean killedHereOrBelow() {
    return killedHere()
        || hierarchical.map(counters -> counters.any(Counter.OOM_KILL)).orElse(false);
  }
}
