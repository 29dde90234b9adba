package io.memguard.platform.cgroup;

import io.memguard.doctor.Cgroups.GroupKill;
import io.memguard.platform.OpenFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.LongFunction;
import java.util.stream.Stream;

/**
 * How much more memory this process and all around it can take before the kernel has to kill: of
 * each cgroup that binds us and has a limit, the limit less what cannot be given back; the smallest
 * counts. Where none has a limit below the machine's size, it is {@code MemAvailable} of the
 * machine.
 *
 * <p>Page cache can be given back, but for as much as is needed to go on running: half of it, or a
 * reserve if that is less. So the kernel itself estimates {@code MemAvailable}. The usual working
 * set, usage less {@code inactive_file}, would count a file that was read twice as used for good,
 * and a child would be ended that merely reads files. So can what fits into free swap (cgroup v2).
 *
 * <p>The files are kept open: a look is to cost some ten microseconds, because where head-room is
 * small there are many of them. {@code memory.stat} may lag behind by 64 pages a CPU. Not safe to
 * share between threads, but for {@link #close}.
 *
 * @see <a href="https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files">the
 *     kernel's documentation</a>
 */
public final class Headroom implements AutoCloseable {
  private final LongFunction<Reserve> reserve;
  private final List<Level> levels = new ArrayList<>();
  private final Optional<OpenFile> meminfo;
  private final long machineBytes;
  private final boolean swaps;

  /**
   * What there was at one moment.
   *
   * @param bytes the head-room; negative if more is in use than allowed, which may be for a moment
   * @param reserve what is to be kept free below that limit
   * @param limit whose head-room it is, in bytes
   * @param setBy whose limit that is, as in {@link io.memguard.limits.EffectiveLimit}
   */
  public record Reading(long bytes, Reserve reserve, long limit, String setBy) {
    private long aboveReserve() {
      return bytes - reserve.bytes();
    }
  }

  private record Level(
      Cgroup cgroup,
      OpenFile max,
      OpenFile usage,
      OpenFile stat,
      Optional<OpenFile> swapMax,
      Optional<OpenFile> swapUsage) {}

  /**
   * Opens the files.
   *
   * @param reserve what is to be kept free below a limit
   */
  public Headroom(Machine machine, CgroupSearch search, LongFunction<Reserve> reserve) {
    this.reserve = reserve;
    EffectiveLimits.binding(search.levels()).forEach(this::open);
    meminfo = machine.at(Machine.MEMINFO).flatMap(OpenFile::open);
    machineBytes = machine.totalMemory().orElse(Long.MAX_VALUE);
    swaps = machine.totalSwap().orElse(0) > 0;
  }

  private void open(Cgroup cgroup) {
    Optional<OpenFile> max = OpenFile.open(cgroup.file(cgroup.maxFile())); // the root has none
    Optional<OpenFile> usage = OpenFile.open(cgroup.file(cgroup.usageFile()));
    Optional<OpenFile> stat = OpenFile.open(cgroup.file("memory.stat"));
    Optional<OpenFile> swapUsage =
        cgroup.swapUsageFile().flatMap(name -> OpenFile.open(cgroup.file(name)));
    Optional<OpenFile> swapMax =
        swapUsage.flatMap(used -> OpenFile.open(cgroup.file(cgroup.swapFile())));
    if (max.isPresent() && usage.isPresent() && stat.isPresent()) {
      levels.add(new Level(cgroup, max.get(), usage.get(), stat.get(), swapMax, swapUsage));
    } else {
      Stream.of(max, usage, stat, swapMax, swapUsage)
          .flatMap(Optional::stream)
          .forEach(OpenFile::close);
    }
  }

  /**
   * Looks.
   *
   * @return empty if nothing can be read
   */
  public synchronized Optional<Reading> look() {
    long swap = swaps ? freeSwap() : 0;
    Optional<Reading> least = Optional.empty();
    for (Level level : levels) {
      Optional<Reading> here = look(level, level.swapUsage.isPresent() ? swap : 0);
      if (here.isPresent()
          && (least.isEmpty() || here.get().aboveReserve() < least.get().aboveReserve())) {
        least = here;
      }
    }
    return least.or(() -> machine(swap));
  }

  private Optional<Reading> look(Level level, long swap) {
    OptionalLong max = level.cgroup.max(level.max.text());
    if (max.isEmpty() || max.getAsLong() >= machineBytes) {
      return Optional.empty();
    }
    OptionalLong usage = KernelFile.number(level.usage.text());
    if (usage.isEmpty()) {
      return Optional.empty();
    }
    long cache = level.cgroup.pageCache(level.stat.text());
    Reserve kept = reserve.apply(max.getAsLong());
    long droppable = cache - Math.min(cache / 2, kept.bytes());
    long bytes = max.getAsLong() - usage.getAsLong() + droppable + swap;
    return Optional.of(new Reading(bytes, kept, max.getAsLong(), "cgroup " + level.cgroup.path()));
  }

  private Optional<Reading> machine(long swap) {
    OptionalLong available = inMeminfo("MemAvailable:");
    return available.isPresent()
        ? Optional.of(
            new Reading(
                available.getAsLong() + swap,
                reserve.apply(machineBytes),
                machineBytes,
                EffectiveLimits.MACHINE))
        : Optional.empty();
  }

  /** Returns what all of the cgroups let us swap out yet, and the machine can take. */
  private long freeSwap() {
    long free = inMeminfo("SwapFree:").orElse(0);
    for (Level level : levels) {
      if (level.swapMax.isPresent() && level.swapUsage.isPresent()) {
        long used = KernelFile.number(level.swapUsage.get().text()).orElse(0);
        long max = KernelFile.number(level.swapMax.get().text()).orElse(Long.MAX_VALUE);
        free = Math.min(free, Math.max(0, max - used));
      }
    }
    return free;
  }

  private OptionalLong inMeminfo(String key) {
    OptionalLong kibibytes =
        meminfo.map(file -> KernelFile.entry(file.text(), key)).orElse(OptionalLong.empty());
    return kibibytes.isPresent() ? OptionalLong.of(kibibytes.getAsLong() << 10) : kibibytes;
  }

  /**
   * Returns the files that the kernel says to have modified when a limit was reached: a hint to
   * look, before it is time to; none on cgroup v1.
   */
  public List<Path> hints() {
    return levels.stream()
        .map(Level::cgroup)
        .filter(cgroup -> cgroup.max().isPresent())
        .flatMap(cgroup -> cgroup.hierarchicalCounterFile().map(cgroup::file).stream())
        .toList();
  }

  /**
   * Returns how often the cgroups with a limit were slowed down at {@code memory.high}, since they
   * were made; cgroup v2 since Linux 5.2, else 0.
   */
  public long highEvents() {
    return levels.stream()
        .map(Level::cgroup)
        .filter(cgroup -> cgroup.hierarchicalCounterFile().isPresent() && cgroup.max().isPresent())
        .flatMap(cgroup -> cgroup.localEvents().stream())
        .mapToLong(counters -> counters.of(Counter.HIGH).orElse(0))
        .sum();
  }

  /**
   * Tells whether the kernel would kill this process along with whom it chooses at a limit that can
   * be seen: it kills all of the highest cgroup with {@code memory.oom.group}, from the victim's up
   * to the one whose limit it is ({@code mem_cgroup_get_oom_group}).
   *
   * @param search where this process is
   * @return why, or empty if it would not
   */
  public static Optional<String> groupKill(CgroupSearch search) {
    return CgroupTable.groupKill(search)
        .filter(kill -> kill.limitOf().isPresent())
        .map(GroupKill::toString);
  }

  @Override
  public synchronized void close() {
    for (Level level : levels) {
      Stream.of(level.max, level.usage, level.stat).forEach(OpenFile::close);
      level.swapMax.ifPresent(OpenFile::close);
      level.swapUsage.ifPresent(OpenFile::close);
    }
    meminfo.ifPresent(OpenFile::close);
  }
}
