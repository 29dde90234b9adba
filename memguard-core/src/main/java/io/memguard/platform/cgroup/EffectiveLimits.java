package io.memguard.platform.cgroup;

import io.memguard.limits.EffectiveLimit;
import io.memguard.limits.EffectiveLimit.Kind;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Function;
import java.util.stream.Stream;

/**
 * What binds a process: the smallest limits of its cgroup and all visible ones above, and of the
 * machine.
 *
 * <p>Only the leaf would not do. Pods, slices and containers often have a limit where the cgroup
 * within says {@code max}.
 *
 * @param max where the kernel kills; empty only if not even the machine's size is known
 * @param high where the kernel slows down
 * @param swap what bounds swapping
 */
public record EffectiveLimits(
    Optional<EffectiveLimit> max, Optional<EffectiveLimit> high, Optional<EffectiveLimit> swap) {
  /** Who sets a limit that is the machine's size. */
  public static final String MACHINE = "the machine";

  private static final String MEMINFO = "/proc/meminfo";

  /** Reads the limits as they are now. */
  public static EffectiveLimits of(Machine machine, CgroupSearch search) {
    List<Cgroup> levels = binding(search.levels());
    Optional<String> hidden = search.unseen();
    Optional<EffectiveLimit> high =
        smallest(levels, Cgroup::high, Kind.HIGH, level -> "memory.high", hidden);
    return new EffectiveLimits(max(machine, levels, hidden), high, swap(machine, levels, hidden));
  }

  /** Returns those that are known. */
  public List<EffectiveLimit> all() {
    return Stream.of(max, high, swap).flatMap(Optional::stream).toList();
  }

  /** Leaves out the cgroups that the one below them does not count into. */
  static List<Cgroup> binding(List<Cgroup> levels) {
    int last = 0;
    while (last + 1 < levels.size() && levels.get(last + 1).countsChildren()) {
      last++;
    }
    return levels.isEmpty() ? levels : levels.subList(0, last + 1);
  }

  private static Optional<EffectiveLimit> max(
      Machine machine, List<Cgroup> levels, Optional<String> hidden) {
    Optional<EffectiveLimit> visible =
        smallest(levels, Cgroup::max, Kind.MAX, Cgroup::maxFile, hidden);
    Optional<EffectiveLimit> told =
        levels.stream()
            .findFirst()
            .flatMap(
                own ->
                    limit(
                        own.hierarchicalMax(),
                        Kind.MAX,
                        "a cgroup that cannot be seen from here",
                        own.file("memory.stat") + " (hierarchical_memory_limit)",
                        hidden));
    Optional<EffectiveLimit> ram =
        limit(machine.totalMemory(), Kind.MAX, MACHINE, MEMINFO + " (MemTotal)", hidden);
    return smaller(smaller(visible, told), ram);
  }

  private static Optional<EffectiveLimit> swap(
      Machine machine, List<Cgroup> levels, Optional<String> hidden) {
    Kind kind = levels.stream().findFirst().map(Cgroup::swapKind).orElse(Kind.SWAP);
    OptionalLong space = machine.totalSwap();
    OptionalLong memory = machine.totalMemory();
    OptionalLong both =
        space.isPresent() && memory.isPresent()
            ? OptionalLong.of(space.getAsLong() + memory.getAsLong())
            : OptionalLong.empty();
    return smaller(
        smallest(levels, Cgroup::swapMax, kind, Cgroup::swapFile, hidden),
        kind == Kind.SWAP
            ? limit(space, kind, MACHINE, MEMINFO + " (SwapTotal)", hidden)
            : limit(both, kind, MACHINE, MEMINFO + " (MemTotal and SwapTotal)", hidden));
  }

  private static Optional<EffectiveLimit> smallest(
      List<Cgroup> levels,
      Function<Cgroup, OptionalLong> value,
      Kind kind,
      Function<Cgroup, String> file,
      Optional<String> hidden) {
    Optional<EffectiveLimit> smallest = Optional.empty();
    for (Cgroup level : levels) {
      String source = level.file(file.apply(level)).toString();
      smallest =
          smaller(
              smallest, limit(value.apply(level), kind, "cgroup " + level.path(), source, hidden));
    }
    return smallest;
  }

  private static Optional<EffectiveLimit> limit(
      OptionalLong bytes, Kind kind, String setBy, String source, Optional<String> hidden) {
    return bytes.isPresent()
        ? Optional.of(new EffectiveLimit(kind, bytes.getAsLong(), setBy, source, hidden))
        : Optional.empty();
  }

  /** Of two equal limits the inner one, {@code first}, is reached first. */
  private static Optional<EffectiveLimit> smaller(
      Optional<EffectiveLimit> first, Optional<EffectiveLimit> second) {
    boolean takeSecond =
        second.isPresent() && (first.isEmpty() || second.get().bytes() < first.get().bytes());
    return takeSecond ? second : first;
  }
}
