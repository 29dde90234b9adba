package io.memguard.outcome;

import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * What the kernel's memory counters say about the time of a child's death. A kill is counted before
 * it happens, so what was read after the child was reaped has it.
 *
 * @param leaf the child's own cgroup, whose counters began at zero; empty if it had none
 * @param containers the cgroups that the child's memory counted in besides, innermost first, as far
 *     as they can be seen: how much they have risen since memguard last looked while it lived, or
 *     shortly before its launch
 * @param hiddenAncestors why there may be others above that cannot be seen; empty if all were
 *     looked at
 * @param hostOomKills how many processes the OOM killer has killed on the whole machine, in
 *     whatever cgroup, since then ({@code oom_kill} of proc_vmstat(5)); empty if memguard did not
 *     look: it does where no cgroup's counter can be read
 * @param shared true if another guarded child was killed at the same time, so that what has risen
 *     may be its
 * @see <a href="https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files">the
 *     kernel on memory.events</a>
 * @see <a href="https://docs.kernel.org/admin-guide/cgroup-v1/memory.html">on memory.oom_control
 *     and memory.failcnt of cgroup v1</a>
 */
public record CgroupRecord(
    Optional<Leaf> leaf,
    List<Container> containers,
    Optional<String> hiddenAncestors,
    OptionalLong hostOomKills,
    boolean shared) {
  /**
   * Copies the list.
   *
   * @param leaf the child's own cgroup, whose counters began at zero; empty if it had none
   * @param containers the cgroups that the child's memory counted in besides, innermost first, as
   *     far as they can be seen: how much they have risen since memguard last looked while it
   *     lived, or shortly before its launch
   * @param hiddenAncestors why there may be others above that cannot be seen; empty if all were
   *     looked at
   * @param hostOomKills how many processes the OOM killer has killed on the whole machine, in
   *     whatever cgroup, since then; empty if memguard did not look: it does where no cgroup's
   *     counter can be read
   * @param shared true if another guarded child was killed at the same time, so that what has risen
   *     may be its
   */
  public CgroupRecord {
    containers = List.copyOf(containers);
  }

  /**
   * The counters of a child's own cgroup.
   *
   * @param path its name
   * @param limitBytes its limit in bytes, or empty if it had none
   * @param oom how often its own limit was reached and nothing could be reclaimed; empty on cgroup
   *     v1, which does not count that
   * @param limitReached how often its own limit was reached at all
   * @param oomKills how many processes in it or below it the OOM killer killed, whoever's limit it
   *     was; empty before Linux 4.13
   * @param oomKillsBelow how many of them lived in cgroups that somebody in it had made below it;
   *     empty on cgroup v1 and before Linux 5.2, which do not count those
   * @param killedAsAWhole true if the kernel killed all of it together ({@code oom_group_kill};
   *     before Linux 5.17, which counts that, if {@code memory.oom.group} was set at the child's
   *     end): whoever lives in it can switch that off
   */
  public record Leaf(
      String path,
      OptionalLong limitBytes,
      OptionalLong oom,
      OptionalLong limitReached,
      OptionalLong oomKills,
      OptionalLong oomKillsBelow,
      boolean killedAsAWhole) {}

  /**
   * What has happened in a cgroup that the child shared with others.
   *
   * @param path its name
   * @param oom how often its own limit was reached and nothing could be reclaimed; empty on cgroup
   *     v1
   * @param limitReached how often its own limit was reached at all
   * @param oomKills how many of its own processes, and not of those in leaves below it, the OOM
   *     killer killed, whoever's limit it was; empty for a cgroup that was not the child's own
   * @param othersKilled how many it killed in it or below it besides, if it killed the child: if
   *     that had a cgroup of its own, those elsewhere since the launch; empty if that is not known
   */
  public record Container(
      String path,
      OptionalLong oom,
      OptionalLong limitReached,
      OptionalLong oomKills,
      OptionalLong othersKilled) {
    /**
     * Tells whether this cgroup's own limit was the reason for a kill.
     *
     * @return true if it ran out of memory; on cgroup v1, if its limit was reached
     */
    public boolean outOfMemory() {
      return (oom.isPresent() ? oom : limitReached).orElse(0) > 0;
    }
  }

  /**
   * Returns the innermost visible cgroup around the child whose limit was the reason for a kill.
   *
   * @return empty if none is known
   */
  public Optional<Container> outOfMemory() {
    return containers.stream().filter(Container::outOfMemory).findFirst();
  }

  /**
   * Tells whether a process of the child's own cgroup, or below it, was killed by the OOM killer.
   *
   * @return true if the leaf's counter says so
   */
  public boolean killedInLeaf() {
    return leaf.map(Leaf::oomKills).orElse(OptionalLong.empty()).orElse(0) > 0;
  }

  /**
   * Tells whether the OOM killer killed somebody in a cgroup that the child was in too.
   *
   * @return true if a counter says so
   */
  public boolean killedInContainer() {
    return containers.stream().anyMatch(container -> container.oomKills().orElse(0) > 0);
  }

  /** Names the cgroups whose counters would have told, for an explanation. */
  String lookedAt() {
    String names =
        Stream.concat(leaf.map(Leaf::path).stream(), containers.stream().map(Container::path))
            .collect(Collectors.joining(", "));
    return names.isEmpty() ? "" : " (the OOM killer's counters of " + names + " among it)";
  }

  /**
   * Tells whether there was a counter that the child's own death by the OOM killer would have
   * raised.
   *
   * @return true if its end is known to be one or not
   */
  public boolean wouldTell() {
    return leaf.map(Leaf::oomKills).orElse(OptionalLong.empty()).isPresent()
        || containers.stream().anyMatch(container -> container.oomKills().isPresent());
  }
}
