package io.memguard.platform.cgroup;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * The counters of a cgroup, of all visible ones above it, and of the machine, at one moment.
 *
 * <p>The kernel raises {@code oom_kill} before it sends the signal. So the difference between a
 * snapshot taken before a child is launched and one taken after it is reaped, and before its leaf
 * is removed, misses nothing; but it also has what happened to its neighbours.
 *
 * @param levels own first
 * @param hostOomKills of the whole machine, see {@link Machine#oomKills}
 */
public record CounterSnapshot(List<Level> levels, OptionalLong hostOomKills) {
  public CounterSnapshot {
    levels = List.copyOf(levels);
  }

  /** Reads the counters; a cgroup that is gone is left out. */
  public static CounterSnapshot take(Machine machine, List<Cgroup> cgroups) {
    return new CounterSnapshot(read(cgroups), machine.oomKills());
  }

  /** Reads the cgroups' counters alone: the machine's costs as much as those of three cgroups. */
  public static CounterSnapshot take(List<Cgroup> cgroups) {
    return new CounterSnapshot(read(cgroups), OptionalLong.empty());
  }

  private static List<Level> read(List<Cgroup> cgroups) {
    List<Level> levels = new ArrayList<>();
    for (Cgroup cgroup : cgroups) {
      identity(cgroup)
          .map(identity -> new Level(cgroup, identity, cgroup.events(), cgroup.localEvents()))
          .ifPresent(levels::add);
    }
    return levels;
  }

  /**
   * Returns what has happened since an earlier snapshot.
   *
   * <p>A cgroup that the earlier one lacks was made since, and its counters began at zero. One that
   * has vanished, or was removed and made again, is said to have {@linkplain CounterChange#vanished
   * vanished}: nothing is known of it.
   */
  public CounterChanges since(CounterSnapshot earlier) {
    List<CounterChange> changes = new ArrayList<>();
    for (Level level : levels) {
      changes.add(
          earlier
              .find(level.cgroup)
              .map(before -> change(before, level))
              .orElseGet(
                  () -> new CounterChange(level.cgroup, false, level.hierarchical, level.local)));
    }
    for (Level level : earlier.levels) {
      if (find(level.cgroup).isEmpty()) {
        changes.add(CounterChange.vanished(level.cgroup));
      }
    }
    OptionalLong host =
        hostOomKills.isPresent() && earlier.hostOomKills.isPresent()
            ? OptionalLong.of(hostOomKills.getAsLong() - earlier.hostOomKills.getAsLong())
            : OptionalLong.empty();
    return new CounterChanges(changes, host);
  }

  private static CounterChange change(Level before, Level now) {
    return before.identity.equals(now.identity)
        ? new CounterChange(
            now.cgroup,
            false,
            difference(before.hierarchical, now.hierarchical),
            difference(before.local, now.local))
        : CounterChange.vanished(now.cgroup);
  }

  private static Optional<Counters> difference(Optional<Counters> before, Optional<Counters> now) {
    return now.flatMap(counters -> before.map(counters::since));
  }

  private Optional<Level> find(Cgroup cgroup) {
    return levels.stream()
        .filter(level -> level.cgroup.directory().equals(cgroup.directory()))
        .findFirst();
  }

  /** The kernel numbers cgroups and never gives a number twice: it is the directory's inode. */
  private static Optional<Object> identity(Cgroup cgroup) {
    try {
      return Optional.ofNullable(
          Files.readAttributes(cgroup.directory(), BasicFileAttributes.class).fileKey());
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  /**
   * One cgroup's counters.
   *
   * @param identity tells it from another of the same name
   * @param hierarchical of it and all below it; v2 only
   * @param local of its own; v2 since Linux 5.2
   */
  public record Level(
      Cgroup cgroup, Object identity, Optional<Counters> hierarchical, Optional<Counters> local) {}
}
