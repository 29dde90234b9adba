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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

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
        process(2, OptionalLong.of(300 * MIB), refusal(Kind.MALLOC, MIB, 300 * MIB));
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
        .as("an assertion that failed for another reason")
        .isEqualTo(Confidence.PROBABLE);
    Played said = Played.exit(1).running("python3").complaining("MemoryError\n");
    assertThat(memory(said, process(tried)).confidence())
        .as("it said so")
        .isEqualTo(Confidence.CERTAIN);
  }

  @Test
  void whatWasRefusedLongBeforeIsNotForCertainTheReason() {
    Refusal refusal = refusal(Kind.MALLOC, 600 * MIB, 300 * MIB); // after 900 ms
    assertThat(exit(process(refusal), Duration.ofMillis(2_900)).confidence())
        .isEqualTo(Confidence.CERTAIN);
    Outcome.OutOfMemory later = exit(process(refusal), Duration.ofMillis(2_901));
    assertThat(later.confidence()).isEqualTo(Confidence.PROBABLE);
    assertThat(later.explanation()).contains("some time later");
    assertThat(later.suggestedLimitBytes()).isPresent();
    Played said = Played.exit(1).running("python3").complaining("MemoryError\n");
    assertThat(memory(said.after(Duration.ofMinutes(5)), process(refusal)).confidence())
        .as("it said so")
        .isEqualTo(Confidence.CERTAIN);
  }

  @Test
  void aThreadIsNoOther() {
    WitnessedProcess late =
        process(0, OptionalLong.empty(), refusal(Kind.THREAD, 8 * MIB, 508 * MIB));
    assertThat(exit(late).confidence()).isEqualTo(Confidence.CERTAIN);
    assertThat(exit(late, Duration.ofMinutes(1)).confidence()).isEqualTo(Confidence.PROBABLE);
    Refusal fits = refusal(Kind.THREAD, 8 * MIB, 502 * MIB);
    assertThat(fits.exceedsLimit()).as("there were too many").isFalse();
  }

  @Test
  void whatAnotherProcessWasRefusedNeedNotBeWhy() {
    Refusal clear = refusal(Kind.MALLOC, 600 * MIB, 300 * MIB);
    Outcome.OutOfMemory outcome = memory(Played.exit(1), Played.process("worker", 77, 1, clear));
    assertThat(outcome.confidence()).isEqualTo(Confidence.PROBABLE);
    assertThat(outcome.explanation())
        .isEqualTo(
            "Its process 77 (worker) asked for 600MiB and was refused under RLIMIT_DATA 512MiB,"
                + " then the child ended (exit 1), perhaps for another reason.");
  }

  @Test
  void aLowerLimitThatAScriptHasSetIsNotOurs() {
    Refusal itsOwn = under(256 * MIB, refusal(Kind.MALLOC, MIB, 256 * MIB));
    Outcome.OutOfMemory outcome = exit(itsOwn);
    assertThat(outcome.confidence()).isEqualTo(Confidence.PROBABLE);
    assertThat(outcome.suggestedLimitBytes()).as("a larger one does not help").isEmpty();
    assertThat(outcome.explanation()).contains("ulimit");
  }

  @Test
  void whoHadRoomForLessMayHaveGoneOnWithThat() {
    WitnessedProcess tries =
        process(7, OptionalLong.of(1024 * MIB), refusal(Kind.MALLOC, 600 * MIB, 10 * MIB));
    Outcome.OutOfMemory silent = exit(tries);
    assertThat(silent.confidence()).isEqualTo(Confidence.PROBABLE);
    assertThat(silent.explanation()).contains("room for less");
    assertThat(silent.suggestedLimitBytes())
        .as("for the last try, and at least half as much again")
        .hasValue(768 * MIB);
    Played said = Played.exit(2).running("sort").complaining("sort: Cannot allocate memory\n");
    assertThat(memory(said, tries).confidence()).isEqualTo(Confidence.CERTAIN);
  }

  @Test
  void wordsThatManyUseMayBeAboutSomethingElseLater() {
    Refusal tried = refusal(Kind.MMAP, 1024 * MIB, 10 * MIB);
    Played fio =
        Played.exit(1)
            .running("fio")
            .complaining("fio: mlock: Cannot allocate memory\n")
            .after(Duration.ofHours(10));
    assertThat(memory(fio, process(tried)).confidence()).isEqualTo(Confidence.PROBABLE);
  }

  @ParameterizedTest
  @ValueSource(ints = {129, 130, 137, 143})
  void whatAShellSaysOfASignalThatWasSentIsNoRefusal(int code) {
    Refusal clear = refusal(Kind.MALLOC, 600 * MIB, 300 * MIB);
    assertThat(Played.exit(code).under(LIMIT).watched(process(clear)).diagnosed())
        .isInstanceOf(Outcome.Exited.class);
  }

  @Test
  void moreThanAnyProcessCanHaveIsNotSuggested() {
    Outcome.OutOfMemory outcome = exit(refusal(Kind.MALLOC, 1L << 55, 300 * MIB));
    assertThat(outcome.confidence()).isEqualTo(Confidence.CERTAIN);
    assertThat(outcome.suggestedLimitBytes()).isEmpty();
  }

  @Test
  void atATimeThatIsNotKnownItIsProbable() {
    Refusal confined = at(Duration.ZERO, refusal(Kind.MALLOC, 600 * MIB, 300 * MIB));
    assertThat(exit(confined).confidence()).isEqualTo(Confidence.PROBABLE);
  }

  @Test
  void theProcessDecidesThatSpeaksMostClearly() {
    Refusal clear = refusal(Kind.MALLOC, 600 * MIB, 300 * MIB);
    Refusal tried = refusal(Kind.MMAP, 4096 * MIB, 10 * MIB);
    Outcome.OutOfMemory outcome =
        memory(Played.exit(1), Played.process("worker", 77, 1, tried), process(clear));
    assertThat(outcome.confidence()).isEqualTo(Confidence.CERTAIN);
    assertThat(outcome.explanation()).startsWith("It asked for 600MiB");
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

  private static Refusal under(long limit, Refusal it) {
    return new Refusal(
        it.kind(),
        it.errno(),
        it.bytes(),
        it.tid(),
        it.at(),
        it.dataBytes(),
        it.addressBytes(),
        it.rssBytes(),
        OptionalLong.of(limit),
        it.addressLimit());
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
