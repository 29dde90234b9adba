package io.memguard.limits;

import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.function.Predicate;

/**
 * Says how much memory a child may use, and by which means it is held to it: {@link Protection} has
 * the source of each.
 *
 * <pre>{@code
 * MemoryLimits.of("512MiB")
 *     .withRlimit(ResourceLimit.parse("core=0"))
 *     .with(Protection.WITNESS, Requirement.REQUIRE);
 * }</pre>
 *
 * @param rlimits the resource limits set in the child before it runs
 * @param requirements how much each protection is wanted; where none is named, see {@link
 *     #requirement}
 * @param oomScoreAdj what is written to the child's {@code oom_score_adj}: -1000 (never killed) to
 *     1000 (killed first)
 * @param treeMemory what the child and its descendants may use together, in bytes; empty for any
 *     amount
 * @param memoryHigh from which size of all of them on they are slowed down, or a listener is told,
 *     in bytes; empty for none
 * @param pidsMax {@code pids.max} of the child's own cgroup; empty for none
 */
public record MemoryLimits(
    Map<Rlimit, ResourceLimit> rlimits,
    Map<Protection, Requirement> requirements,
    int oomScoreAdj,
    OptionalLong treeMemory,
    OptionalLong memoryHigh,
    OptionalInt pidsMax) {

  /** The kernel takes such a process before any other, whatever their sizes. */
  private static final int KILLED_FIRST = 1000;

  /** The tree may exceed its limit by this much at least, or by this part of it. */
  private static final long SLACK_BYTES = 32L << 20;

  private static final int SLACK_PART = 4;
  private static final long PAGE = 64 << 10; // the largest there is

  /**
   * Copies and checks the values.
   *
   * @param rlimits the resource limits set in the child before it runs
   * @param requirements how much each protection is wanted; where none is named, see {@link
   *     #requirement}
   * @param oomScoreAdj what is written to the child's {@code oom_score_adj}: -1000 (never killed)
   *     to 1000 (killed first)
   * @param treeMemory what the child and its descendants may use together, in bytes; empty for any
   *     amount
   * @param memoryHigh from which size of all of them on they are slowed down, or a listener is
   *     told, in bytes; empty for none
   * @param pidsMax {@code pids.max} of the child's own cgroup; empty for none
   * @throws IllegalArgumentException if {@code oomScoreAdj} is out of range, or one of the last
   *     three is less than 1
   */
  public MemoryLimits {
    rlimits = copy(Rlimit.class, rlimits);
    requirements = copy(Protection.class, requirements);
    if (oomScoreAdj < -1000 || oomScoreAdj > 1000) {
      throw new IllegalArgumentException(
          "oom_score_adj " + oomScoreAdj + " is out of range; allowed is -1000 to 1000");
    }
    treeMemory.ifPresent(bytes -> checkPositive("tree memory", bytes));
    memoryHigh.ifPresent(bytes -> checkPositive("memory.high", bytes));
    if (pidsMax.orElse(1) < 1) {
      throw new IllegalArgumentException(
          "pids.max "
              + pidsMax.getAsInt()
              + " leaves no room for the child itself; allowed is 1 to "
              + Integer.MAX_VALUE);
    }
  }

  private static void checkPositive(String what, long bytes) {
    if (bytes < 1) {
      throw new IllegalArgumentException(
          what + " " + bytes + " is not positive; allowed is 1 to " + Long.MAX_VALUE + " bytes");
    }
  }

  /**
   * Limits the child to an amount of memory: {@code RLIMIT_DATA}, soft and hard, and {@link
   * #treeMemory}.
   *
   * @param size for example {@code "512MiB"}; see {@link MemorySize#parse}
   * @return the limits
   * @throws IllegalArgumentException if the text is no amount of memory from one byte up
   */
  public static MemoryLimits of(String size) {
    return of(MemorySize.parse(size));
  }

  /**
   * Limits the child to an amount of memory: {@code RLIMIT_DATA}, soft and hard, and {@link
   * #treeMemory}.
   *
   * @param bytes 1 or more
   * @return the limits
   * @throws IllegalArgumentException if the amount is zero or negative
   */
  public static MemoryLimits of(long bytes) {
    return none().withMemory(bytes);
  }

  /**
   * Sets no memory limit: the child is launched, watched and told apart by its end, and the kernel
   * takes it first.
   *
   * @return the limits
   */
  public static MemoryLimits none() {
    return new MemoryLimits(
        Map.of(),
        Map.of(),
        KILLED_FIRST,
        OptionalLong.empty(),
        OptionalLong.empty(),
        OptionalInt.empty());
  }

  /**
   * Replaces the amount of memory, and keeps everything else. Of {@code RLIMIT_DATA} and {@code
   * RLIMIT_AS}, each that is set gets at least this much; if only one is set, exactly this much; if
   * none is, {@link #treeMemory} is set, and {@code RLIMIT_DATA} too where there was no such limit
   * either. Where an amount was set before, {@link #treeMemory} and {@link #memoryHigh} keep their
   * share of it.
   *
   * @param bytes 1 or more
   * @return the new limits
   * @throws IllegalArgumentException if the amount is zero or negative
   */
  public MemoryLimits withMemory(long bytes) {
    checkPositive("memory limit", bytes);
    OptionalLong before = memory();
    MemoryLimits changed = withMemoryAlone(bytes);
    if (before.isEmpty()) {
      return changed;
    }
    long now = changed.smallest(limit -> true).orElse(bytes);
    return new MemoryLimits(
        changed.rlimits,
        requirements,
        oomScoreAdj,
        share(treeMemory, before.getAsLong(), now),
        share(memoryHigh, before.getAsLong(), now),
        pidsMax);
  }

  private static OptionalLong share(OptionalLong part, long before, long now) {
    if (part.isEmpty() || part.getAsLong() == before) {
      return part.isEmpty() ? part : OptionalLong.of(now);
    }
    double share = (double) part.getAsLong() / before;
    return OptionalLong.of(Math.max(1, (long) (share * now)));
  }

  private MemoryLimits withMemoryAlone(long bytes) {
    ResourceLimit data = rlimits.get(Rlimit.DATA);
    ResourceLimit addressSpace = rlimits.get(Rlimit.AS);
    if (data != null && addressSpace != null) {
      return withRlimit(atLeast(data, bytes)).withRlimit(atLeast(addressSpace, bytes));
    }
    if (data == null && addressSpace == null) {
      MemoryLimits tree = withTreeMemory(bytes);
      return treeMemory.isPresent()
          ? tree
          : tree.withRlimit(new ResourceLimit(Rlimit.DATA, bytes, bytes));
    }
    Rlimit only = addressSpace != null ? Rlimit.AS : Rlimit.DATA;
    return withRlimit(new ResourceLimit(only, bytes, bytes));
  }

  private static ResourceLimit atLeast(ResourceLimit limit, long bytes) {
    return new ResourceLimit(
        limit.resource(), Math.max(limit.soft(), bytes), Math.max(limit.hard(), bytes));
  }

  /**
   * Adds a resource limit, or replaces the one of the same resource.
   *
   * @param limit what to set in the child
   * @return the new limits
   */
  public MemoryLimits withRlimit(ResourceLimit limit) {
    Map<Rlimit, ResourceLimit> all = new EnumMap<>(Rlimit.class);
    all.putAll(rlimits);
    all.put(limit.resource(), limit);
    return new MemoryLimits(all, requirements, oomScoreAdj, treeMemory, memoryHigh, pidsMax);
  }

  /**
   * Says how much a protection is wanted.
   *
   * @param protection which one
   * @param requirement how much
   * @return the new limits
   */
  public MemoryLimits with(Protection protection, Requirement requirement) {
    Map<Protection, Requirement> all = new EnumMap<>(Protection.class);
    all.putAll(requirements);
    all.put(
        Objects.requireNonNull(protection, "protection"),
        Objects.requireNonNull(requirement, "requirement"));
    return new MemoryLimits(rlimits, all, oomScoreAdj, treeMemory, memoryHigh, pidsMax);
  }

  /**
   * Sets the child's {@code oom_score_adj}; see {@link Protection#OOM_SCORE_ADJ}. Raising it above
   * the parent's needs no privilege; lowering it does ({@code CAP_SYS_RESOURCE} of
   * capabilities(7)).
   *
   * @param adj -1000 to 1000
   * @return the new limits
   * @throws IllegalArgumentException if it is out of range
   */
  public MemoryLimits withOomScoreAdj(int adj) {
    return new MemoryLimits(rlimits, requirements, adj, treeMemory, memoryHigh, pidsMax);
  }

  /**
   * Sets what the child and all its descendants may use together, and leaves the resource limits,
   * which each process has for itself, as they are: for a supervisor with workers, for example. It
   * counts anonymous and shared memory, each page once, and tmpfs files; page cache does not count.
   * The child's own cgroup is limited after it ({@link #treeMemoryMax}), or memguard watches all of
   * them and ends them; see {@link Protection#TREE_WATCH}.
   *
   * @param bytes 1 or more
   * @return the new limits
   * @throws IllegalArgumentException if it is less than 1
   */
  public MemoryLimits withTreeMemory(long bytes) {
    return new MemoryLimits(
        rlimits, requirements, oomScoreAdj, OptionalLong.of(bytes), memoryHigh, pidsMax);
  }

  /**
   * Sets what the child and all its descendants may use together.
   *
   * @param size for example {@code "2GiB"}; see {@link MemorySize#parse}
   * @return the new limits
   * @throws IllegalArgumentException if the text is no amount of memory from one byte up
   * @see #withTreeMemory(long)
   */
  public MemoryLimits withTreeMemory(String size) {
    return withTreeMemory(MemorySize.parse(size));
  }

  /**
   * Sets the size from which the kernel slows the child and its descendants down, and takes back
   * what memory it can, instead of refusing or killing: {@code memory.high} (<a
   * href="https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files">cgroup
   * v2</a>). That needs a cgroup of the child's own, which is preferred then; see {@link
   * #requirement}. Where there is none, memguard watches their size, and the listener is told; see
   * {@link Protection#TREE_WATCH}. Cgroup v1 has no such limit.
   *
   * @param bytes 1 or more; the kernel rounds down to whole pages
   * @return the new limits
   * @throws IllegalArgumentException if it is less than 1
   */
  public MemoryLimits withMemoryHigh(long bytes) {
    return new MemoryLimits(
        rlimits, requirements, oomScoreAdj, treeMemory, OptionalLong.of(bytes), pidsMax);
  }

  /**
   * Sets the size from which the kernel slows the child and its descendants down.
   *
   * @param size for example {@code "400MiB"}; see {@link MemorySize#parse}
   * @return the new limits
   * @throws IllegalArgumentException if the text is no amount of memory from one byte up
   * @see #withMemoryHigh(long)
   */
  public MemoryLimits withMemoryHigh(String size) {
    return withMemoryHigh(MemorySize.parse(size));
  }

  /**
   * Sets how many processes and threads the child and its descendants may be together; a fork or a
   * clone too many fails with EAGAIN: {@code pids.max} (<a
   * href="https://docs.kernel.org/admin-guide/cgroup-v2.html#pid">cgroup v2</a>). It needs a cgroup
   * of the child's own, which is preferred then; see {@link #requirement}. On cgroup v1 memguard
   * cannot set it.
   *
   * @param tasks 1 or more; for the portable engine 2 or more, since a shell sets the limits. The
   *     kernel refuses more than 4,194,304 ({@code PID_MAX_LIMIT}), and then the child gets no
   *     cgroup
   * @return the new limits
   * @throws IllegalArgumentException if it is less than 1
   */
  public MemoryLimits withPidsMax(int tasks) {
    return new MemoryLimits(
        rlimits, requirements, oomScoreAdj, treeMemory, memoryHigh, OptionalInt.of(tasks));
  }

  /**
   * Returns how much a protection is wanted. {@link Protection#CGROUP_LEAF} changes more than the
   * child: where it was not named it is off, unless {@link #memoryHigh} or {@link #pidsMax} is set,
   * which nothing else can do as well. {@link Protection#WORKERS_FIRST} is off where it was not
   * named, {@link Protection#TREE_WATCH} where there is no size to watch for.
   *
   * @param protection which one
   * @return how much; what was not named, and is not off, is preferred
   */
  public Requirement requirement(Protection protection) {
    boolean needless =
        switch (protection) {
          case CGROUP_LEAF -> memoryHigh.isEmpty() && pidsMax.isEmpty();
          case WORKERS_FIRST -> true;
          case TREE_WATCH -> memoryHigh.isEmpty() && treeMemory.isEmpty();
          default -> false;
        };
    return requirements.getOrDefault(protection, needless ? Requirement.OFF : Requirement.PREFER);
  }

  /**
   * Returns the amount of memory that was asked for: the smaller one of {@code RLIMIT_DATA} and
   * {@code RLIMIT_AS}, also where that is switched off; where none is set, {@link #treeMemory}.
   *
   * @return bytes, or empty if no amount was set
   */
  public OptionalLong memory() {
    OptionalLong each = smallest(limit -> true);
    return each.isPresent() ? each : treeMemory;
  }

  /**
   * Returns the size at which the child and its descendants are ended together: a little more than
   * {@link #treeMemory}, so that an allocation is refused, which the child can report, before
   * anybody is killed. Where no resource limit on memory is in force, exactly that.
   *
   * @return bytes, whole pages, or empty if no limit is set for all of them
   */
  public OptionalLong treeMemoryMax() {
    if (treeMemory.isEmpty()) {
      return treeMemory;
    }
    long limit = treeMemory.getAsLong();
    long slack = bytes().isPresent() ? Math.max(SLACK_BYTES, limit / SLACK_PART) : 0;
    long sum = limit > Long.MAX_VALUE - slack - PAGE ? Long.MAX_VALUE - PAGE : limit + slack;
    return OptionalLong.of((sum + PAGE - 1) / PAGE * PAGE);
  }

  private OptionalLong smallest(Predicate<Rlimit> counts) {
    return rlimits.values().stream()
        .filter(limit -> limit.resource() == Rlimit.DATA || limit.resource() == Rlimit.AS)
        .filter(limit -> counts.test(limit.resource()))
        .mapToLong(ResourceLimit::soft)
        .filter(soft -> soft != ResourceLimit.UNLIMITED)
        .min();
  }

  /**
   * Returns the amount of memory at which the child is refused more: the smallest soft limit of
   * those in force.
   *
   * @return bytes, or empty if no memory limit is set
   */
  public OptionalLong bytes() {
    return smallest(this::armed);
  }

  /**
   * Tells whether a resource limit is asked for and not switched off by its protection.
   *
   * @param limit which one
   * @return true if it is to be set in the child
   */
  public boolean armed(Rlimit limit) {
    if (!rlimits.containsKey(limit)) {
      return false;
    }
    return switch (limit) {
      case DATA -> requirement(Protection.RLIMIT_DATA) != Requirement.OFF;
      case AS -> requirement(Protection.RLIMIT_AS) != Requirement.OFF;
      default -> true;
    };
  }

  private static <K extends Enum<K>, V> Map<K, V> copy(Class<K> type, Map<K, V> from) {
    Map<K, V> copy = new EnumMap<>(type);
    copy.putAll(from);
    return Collections.unmodifiableMap(copy);
  }
}
