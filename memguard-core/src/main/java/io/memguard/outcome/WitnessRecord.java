package io.memguard.outcome;

import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;

/**
 * What the preloaded observer ({@link io.memguard.limits.Protection#WITNESS}) noted in a child and
 * its descendants. Sizes are in bytes.
 *
 * @param programs how many programs it was loaded into; 0 means that nobody was watching (a static
 *     or setuid program)
 * @param refusals how many requests for memory failed with ENOMEM
 * @param largestRefusedBytes the largest request that was refused, or empty if none was
 * @param withoutRoom how many refusals there was no room for in {@code processes}; of memory, they
 *     are in the sums nevertheless
 * @param processes the processes that were refused something, and as many others as there was room
 *     for; the child itself first, where it was watched; last those that made room for others
 */
public record WitnessRecord(
    int programs,
    long refusals,
    OptionalLong largestRefusedBytes,
    long withoutRoom,
    List<WitnessedProcess> processes) {

  /** Nothing was noted, and nobody watched. */
  public static final WitnessRecord NONE =
      new WitnessRecord(0, 0, OptionalLong.empty(), 0, List.of());

  /**
   * Copies the list.
   *
   * @param programs how many programs it was loaded into
   * @param refusals how many requests for memory failed with ENOMEM
   * @param largestRefusedBytes the largest request that was refused, or empty if none was
   * @param withoutRoom how many refusals there was no room for
   * @param processes the processes
   */
  public WitnessRecord {
    processes = List.copyOf(processes);
  }

  /**
   * Tells whether memory was refused.
   *
   * @return true if any allocation failed
   */
  public boolean sawRefusal() {
    return refusals > 0;
  }

  /**
   * Tells whether the observer was there at all.
   *
   * @return true if it was loaded into at least one program
   */
  public boolean attached() {
    return programs > 0;
  }

  /**
   * Returns the process that was refused something last: memory, if any was refused.
   *
   * @return the process, or empty if none was, or it cannot be told
   */
  public Optional<WitnessedProcess> lastRefused() {
    return processes.stream()
        .filter(process -> process.last().isPresent())
        .filter(process -> !sawRefusal() || process.last().orElseThrow().ofMemory())
        .max(Comparator.comparing(process -> process.last().orElseThrow().at()));
  }

  /**
   * Returns the process that was refused the largest request for memory.
   *
   * @return the process, or empty if none was, or it cannot be told
   */
  public Optional<WitnessedProcess> mostRefused() {
    return processes.stream()
        .filter(process -> process.largestBytes().isPresent())
        .max(Comparator.comparingLong(process -> process.largestBytes().getAsLong()));
  }

  /**
   * Returns a process that could not start a thread because its stack had no room under a limit.
   *
   * @return the process, or empty if there is none
   */
  public Optional<WitnessedProcess> threadWithoutRoom() {
    return processes.stream()
        .filter(process -> process.last().filter(WitnessRecord::isThreadWithoutRoom).isPresent())
        .findFirst();
  }

  private static boolean isThreadWithoutRoom(Refusal refusal) {
    return refusal.kind() == Refusal.Kind.THREAD && refusal.exceedsLimit();
  }

  /**
   * Returns the last request for memory that was refused.
   *
   * @return bytes, or empty if none was, or it cannot be told
   */
  public OptionalLong lastRefusedBytes() {
    return lastRefused()
        .filter(process -> sawRefusal())
        .map(process -> OptionalLong.of(process.last().orElseThrow().bytes()))
        .orElse(OptionalLong.empty());
  }

  /**
   * Returns the process that it was refused to.
   *
   * @return its number as it sees itself, or empty if none was, or it cannot be told
   */
  public OptionalInt lastPid() {
    return lastRefused()
        .filter(process -> sawRefusal())
        .map(process -> OptionalInt.of(process.pid()))
        .orElse(OptionalInt.empty());
  }

  /**
   * Returns the largest resident set that the observer saw.
   *
   * @return bytes, or empty if it did not look
   */
  public OptionalLong peakRssBytes() {
    return processes.stream().flatMapToLong(process -> process.peakRssBytes().stream()).max();
  }
}
