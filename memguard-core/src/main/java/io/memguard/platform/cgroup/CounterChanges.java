package io.memguard.platform.cgroup;

import java.util.List;
import java.util.OptionalLong;
import java.util.function.Predicate;

/**
 * What has happened between two snapshots.
 *
 * @param levels own first; those that vanished last
 * @param hostOomKills on the whole machine, in whatever cgroup
 */
public record CounterChanges(List<CounterChange> levels, OptionalLong hostOomKills) {
  public CounterChanges {
    levels = List.copyOf(levels);
  }

  /** Returns the cgroups that ran out of memory at their own limit, own first; v2 only. */
  public List<Cgroup> outOfMemory() {
    return having(CounterChange::outOfMemory);
  }

  /** Returns the cgroups whose own limit was reached, own first; reclaim may have helped. */
  public List<Cgroup> limitsReached() {
    return having(CounterChange::limitReached);
  }

  private List<Cgroup> having(Predicate<CounterChange> change) {
    return levels.stream().filter(change).map(CounterChange::cgroup).toList();
  }
}
