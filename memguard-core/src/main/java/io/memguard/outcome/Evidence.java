package io.memguard.outcome;

import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.limits.ResourceLimit;
import io.memguard.limits.Rlimit;
import io.memguard.limits.RuntimeTuning.Target;
import java.time.Duration;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/**
 * The facts about one child's life and end, gathered once, after it was reaped.
 *
 * @param pid the child
 * @param program the file name of what was launched, without its directory
 * @param interpreter of a script, the file name of what runs it, where memguard has looked; else
 *     empty
 * @param status how the kernel says it ended
 * @param ending who ended it
 * @param timeout what it had been given, or empty for all the time in the world
 * @param elapsed from launch to end
 * @param limits what was asked for
 * @param protections what was in force
 * @param usage what it used, or empty where the portable engine cannot know
 * @param witness what the preloaded observer noted, or empty where it was not in force
 * @param sample what it had of its memory when memguard last looked; empty where a witness watched,
 *     without a resource limit on memory, and if it ended before anybody looked
 * @param cgroups what the kernel's memory counters say; empty if it exited with 0
 * @param kernelLog what the kernel's log says; empty where it is not readable, and if nobody was
 *     killed
 * @param preemption what memguard read when it decided to end it for its memory; empty if it did
 *     not
 * @param outputTail the last text it wrote to stdout, up to 8 KiB of UTF-8, as far as memguard sees
 *     it: pipes, and files, also inherited ones; not a terminal, nor somebody else's pipe. Of a
 *     pipe that the caller reads, the portable engine has what the caller had read when it ended
 * @param errorTail the same for stderr, up to 32 KiB
 * @param sharedTails in which of the two others may have written as well: files that it was to
 *     append to, or has inherited
 * @param tuning what its runtime was told of its limit, by name: variables, and {@code
 *     RLIMIT_STACK} for a stack; empty if it was told nothing
 * @param earlierAttempts how the attempts before this one ended, oldest first; empty without a
 *     retry
 */
public record Evidence(
    long pid,
    String program,
    Optional<String> interpreter,
    WaitStatus status,
    Ending ending,
    Optional<Duration> timeout,
    Duration elapsed,
    MemoryLimits limits,
    Map<Protection, ProtectionState> protections,
    Optional<ResourceUsage> usage,
    Optional<WitnessRecord> witness,
    Optional<MemorySample> sample,
    Optional<CgroupRecord> cgroups,
    Optional<KernelLogRecord> kernelLog,
    Optional<Preemption> preemption,
    String outputTail,
    String errorTail,
    Set<Tail> sharedTails,
    Map<String, String> tuning,
    List<Outcome> earlierAttempts) {

  /** Names who ended a child. */
  public enum Ending {
    /** Nobody here: it ended itself, or somebody outside did it. */
    ITS_OWN,
    /** memguard, because its time was over. */
    TIME_OUT,
    /** memguard, because the caller asked for it. */
    CANCEL,
    /** memguard, because of its memory: {@link Evidence#preemption} says why. */
    PREEMPT,
    /** memguard, because it did nothing any more after it had been refused memory. */
    HUNG
  }

  /** Names one of the two tails of what a child wrote. */
  public enum Tail {
    /** That of stdout. */
    OUTPUT,
    /** That of stderr. */
    ERROR
  }

  /**
   * Copies the collections.
   *
   * @param pid the child
   * @param program the file name of what was launched, without its directory
   * @param interpreter of a script, the file name of what runs it, where memguard has looked; else
   *     empty
   * @param status how the kernel says it ended
   * @param ending who ended it
   * @param timeout what it had been given, or empty for all the time in the world
   * @param elapsed from launch to end
   * @param limits what was asked for
   * @param protections what was in force
   * @param usage what it used, or empty where the portable engine cannot know
   * @param witness what the preloaded observer noted, or empty where it was not in force
   * @param sample what it had of its memory when memguard last looked; empty where a witness
   *     watched, without a resource limit on memory, and if it ended before anybody looked
   * @param cgroups what the kernel's memory counters say; empty if it exited with 0
   * @param kernelLog what the kernel's log says; empty where it is not readable, and if nobody was
   *     killed
   * @param preemption what memguard read when it decided to end it for its memory; empty if it did
   *     not
   * @param outputTail the last text it wrote to stdout, up to 8 KiB, as far as memguard sees it:
   *     pipes, and files, also inherited ones; not a terminal, nor somebody else's pipe
   * @param errorTail the same for stderr, up to 32 KiB
   * @param sharedTails in which of the two others may have written as well: files that it was to
   *     append to, or has inherited
   * @param tuning what its runtime was told of its limit, by name: variables, and {@code
   *     RLIMIT_STACK} for a stack; empty if it was told nothing
   * @param earlierAttempts how the attempts before this one ended, oldest first; empty without a
   *     retry
   */
  public Evidence {
    protections = Map.copyOf(protections);
    sharedTails = Set.copyOf(sharedTails);
    tuning = Collections.unmodifiableMap(new TreeMap<>(tuning));
    earlierAttempts = List.copyOf(earlierAttempts);
  }

  /**
   * Returns the largest resident set that was seen of the child or a descendant.
   *
   * @return bytes, or empty if it is unknown
   */
  public OptionalLong peakRssBytes() {
    return LongStream.of(
            usage.map(ResourceUsage::peakRssBytes).orElse(OptionalLong.empty()).orElse(0),
            witness.map(WitnessRecord::peakRssBytes).orElse(OptionalLong.empty()).orElse(0),
            sample.map(MemorySample::peakRssBytes).orElse(0L))
        .filter(bytes -> bytes > 0)
        .max();
  }

  /**
   * Tells whether a witness got into the child, or a descendant.
   *
   * @return true if what it noted counts, also that it noted nothing
   */
  public boolean watched() {
    return witness.filter(WitnessRecord::attached).isPresent();
  }

  /** Says, as the end of a sentence, that a refusal was not the reason of the end; else nothing. */
  String refusedBefore() {
    return witness
        .filter(WitnessRecord::sawRefusal)
        .map(noted -> "; " + whoWasRefused(noted) + " had been refused memory before")
        .orElse("");
  }

  private static String whoWasRefused(WitnessRecord noted) {
    return noted.processes().stream()
        .filter(process -> process.refusals() > 0)
        .findFirst()
        .map(process -> "process " + process.pid() + " (" + process.name() + ")")
        .orElse("it");
  }

  /**
   * Tells whether a protection was in force.
   *
   * @param protection which one
   * @return true if it was
   */
  public boolean active(Protection protection) {
    ProtectionState state = protections.get(protection);
    return state != null && state.active();
  }

  /**
   * Tells whether the heap of the child's runtime was given a size that follows from the limit: it
   * is larger where that is.
   *
   * @return true if it was
   */
  public boolean heapFollowsLimit() {
    return Stream.of(Target.values())
        .anyMatch(target -> target.sizesHeap() && tuning.containsKey(target.variable()));
  }

  /**
   * Returns the memory limit that was in force: the smallest resource limit, where there was none
   * that of the watched tree, where there was none that of the child's own cgroup.
   *
   * @return bytes, or empty if none was
   */
  public OptionalLong limitBytes() {
    OptionalLong rlimit = rlimitBytes();
    OptionalLong watched =
        active(Protection.TREE_WATCH) ? limits.treeMemory() : OptionalLong.empty();
    OptionalLong own = rlimit.isPresent() ? rlimit : watched;
    return own.isPresent()
        ? own
        : cgroups
            .flatMap(CgroupRecord::leaf)
            .map(CgroupRecord.Leaf::limitBytes)
            .orElse(OptionalLong.empty());
  }

  /**
   * Returns the smallest resource limit on memory that was in force, under which allocations fail.
   *
   * @return bytes, or empty if none was
   */
  public OptionalLong rlimitBytes() {
    return limits.rlimits().values().stream()
        .filter(
            limit ->
                (limit.resource() == Rlimit.DATA && active(Protection.RLIMIT_DATA))
                    || (limit.resource() == Rlimit.AS && active(Protection.RLIMIT_AS)))
        .mapToLong(ResourceLimit::soft)
        .filter(soft -> soft != ResourceLimit.UNLIMITED)
        .min();
  }

  /**
   * Returns the same evidence with other attempts before it.
   *
   * @param earlier the attempts, oldest first
   * @return the new evidence
   */
  public Evidence withEarlierAttempts(List<Outcome> earlier) {
    return new Evidence(
        pid,
        program,
        interpreter,
        status,
        ending,
        timeout,
        elapsed,
        limits,
        protections,
        usage,
        witness,
        sample,
        cgroups,
        kernelLog,
        preemption,
        outputTail,
        errorTail,
        sharedTails,
        tuning,
        earlier);
  }

  /**
   * Returns who it was and how it ended: all of it would be pages, of a child with many processes.
   *
   * @return for example {@code "Evidence[python3, pid 42, exit 1, after 1204 ms]"}
   */
  @Override
  public String toString() {
    return "Evidence["
        + program
        + ", pid "
        + pid
        + ", "
        + status
        + ", after "
        + elapsed.toMillis()
        + " ms]";
  }
}
