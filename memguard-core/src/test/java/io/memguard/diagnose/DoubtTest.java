package io.memguard.diagnose;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.outcome.Cause;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.Refusal;
import io.memguard.outcome.Refusal.Kind;
import io.memguard.outcome.WitnessedProcess;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

/** When a refusal that was seen is not for certain the reason of the end. */
class DoubtTest {
  private static final long MIB = 1 << 20;
  private static final String LIMIT = "data=512MiB";

  @Test
  void memoryThatItsLimitHadRoomForWasRefusedForAnotherReason() {
    Outcome.OutOfMemory outcome = exit(refusal(Kind.MALLOC, MIB, 100 * MIB));
    assertThat(outcome.cause()).isEqualTo(Cause.ALLOCATION_DENIED);
    assertThat(outcome.confidence()).isEqualTo(Confidence.PROBABLE);
    assertThat(outcome.suggestedLimitBytes()).as("a larger one does not help").isEmpty();
    assertThat(outcome.explanation()).contains("there was room", "vm.max_map_count");
  }

  @Test
  void whatItHadMayBeReadATenthOfASecondBefore() {
    WitnessedProcess largeBefore =
        process(2, OptionalLong.of(500 * MIB), refusal(Kind.MALLOC, MIB, 100 * MIB));
    assertThat(exit(largeBefore).confidence()).isEqualTo(Confidence.CERTAIN);
  }

  @Test
  void memoryThatItsLimitHadNoRoomForWasRefusedByThat() {
    assertThat(exit(refusal(Kind.MALLOC, MIB, 508 * MIB)).confidence())
        .isEqualTo(Confidence.CERTAIN);
    assertThat(exit(refusal(Kind.BRK, MIB, 508 * MIB)).confidence()).isEqualTo(Confidence.CERTAIN);
  }

  @Test
  void whatMapsMemoryByItselfMayOnlyTry() {
    Refusal tried = refusal(Kind.MMAP, 1024 * MIB, 10 * MIB);
    Outcome.OutOfMemory gaveUp = exit(tried);
    assertThat(gaveUp.confidence()).isEqualTo(Confidence.PROBABLE);
    assertThat(gaveUp.explanation()).contains("1GiB", "may have been a try");
    assertThat(memory(Played.killed(6), process(tried)).confidence())
        .as("abort() is no other reason")
        .isEqualTo(Confidence.CERTAIN);
    Played said = Played.exit(1).running("python3").complaining("MemoryError\n");
    assertThat(memory(said, process(tried)).confidence())
        .as("it said so")
        .isEqualTo(Confidence.CERTAIN);
  }

  @Test
  void whatWasRefusedLongBeforeIsNotForCertainTheReason() {
    Refusal refusal = refusal(Kind.MALLOC, 600 * MIB, 10 * MIB); // after 900 ms
    assertThat(exit(process(refusal), Duration.ofMillis(5_900)).confidence())
        .isEqualTo(Confidence.CERTAIN);
    Outcome.OutOfMemory later = exit(process(refusal), Duration.ofMillis(5_901));
    assertThat(later.confidence()).isEqualTo(Confidence.PROBABLE);
    assertThat(later.explanation()).contains("long before its end");
    assertThat(later.suggestedLimitBytes()).isPresent();
  }

  @Test
  void longIsATenthOfALongLife() {
    Refusal late = at(Duration.ofMinutes(15), refusal(Kind.MALLOC, 600 * MIB, 10 * MIB));
    assertThat(exit(process(late), Duration.ofSeconds(1_000)).confidence())
        .isEqualTo(Confidence.CERTAIN);
    assertThat(exit(process(late), Duration.ofSeconds(1_001)).confidence())
        .isEqualTo(Confidence.PROBABLE);
  }

  @Test
  void theProcessDecidesThatSpeaksMostClearly() {
    WitnessedProcess tried = process(refusal(Kind.MMAP, 4096 * MIB, 10 * MIB));
    Refusal clear = refusal(Kind.MALLOC, 600 * MIB, 10 * MIB);
    Outcome.OutOfMemory outcome =
        memory(Played.exit(1), tried, Played.process("worker", 77, 1, clear));
    assertThat(outcome.confidence()).isEqualTo(Confidence.CERTAIN);
    assertThat(outcome.explanation()).startsWith("Its process 77 (worker) asked for 600MiB");
  }

  private static Outcome.OutOfMemory exit(Refusal refusal) {
    return exit(process(refusal));
  }

  private static Outcome.OutOfMemory exit(WitnessedProcess process) {
    return memory(Played.exit(1), process);
  }

  private static Outcome.OutOfMemory exit(WitnessedProcess process, Duration elapsed) {
    return memory(Played.exit(1).after(elapsed), process);
  }

  private static Outcome.OutOfMemory memory(Played end, WitnessedProcess... processes) {
    Outcome outcome = end.under(LIMIT).watched(processes).diagnosed();
    assertThat(outcome).isInstanceOf(Outcome.OutOfMemory.class);
    return (Outcome.OutOfMemory) outcome;
  }

  private static WitnessedProcess process(Refusal last) {
    return process(1, OptionalLong.of(last.bytes()), last);
  }

  private static WitnessedProcess process(int refusals, OptionalLong largest, Refusal last) {
    return new WitnessedProcess(
        Played.CHILD, "child", 1, refusals, 0, 0, largest, Optional.of(last), OptionalLong.empty());
  }

  /** In a process that had so much of what RLIMIT_DATA counts, 512MiB of which it was allowed. */
  private static Refusal refusal(Kind kind, long bytes, long had) {
    return new Refusal(
        kind,
        12,
        bytes,
        3,
        Duration.ofMillis(900),
        OptionalLong.of(had),
        OptionalLong.of(4096 * MIB),
        OptionalLong.of(MIB),
        OptionalLong.of(512 * MIB),
        OptionalLong.empty());
  }

  private static Refusal at(Duration time, Refusal it) {
    return new Refusal(
        it.kind(),
        it.errno(),
        it.bytes(),
        it.tid(),
        time,
        it.dataBytes(),
        it.addressBytes(),
        it.rssBytes(),
        it.dataLimit(),
        it.addressLimit());
  }
}
