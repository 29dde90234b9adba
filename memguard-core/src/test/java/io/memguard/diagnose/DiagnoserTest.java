package io.memguard.diagnose;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.outcome.Cause;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.Evidence.Ending;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.Preemption;
import io.memguard.outcome.Refusal;
import io.memguard.outcome.WitnessedProcess;
import java.time.Duration;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The rules of the diagnosis, one by one, and which goes before which. */
@Tag("engine-independent")
final class DiagnoserTest {
  private static final long MIB = 1 << 20;
  private static final String LIMIT = "data=500MiB";

  @Test
  void whatMemguardEndedWasEndedByMemguardWhateverElseIsTrue() {
    Played refused = Played.killed(9).under(LIMIT).watched(3, 600 * MIB);
    assertThat(refused.endedBy(Ending.TIME_OUT).diagnosed()).isInstanceOf(Outcome.TimedOut.class);
    assertThat(refused.endedBy(Ending.CANCEL).diagnosed()).isInstanceOf(Outcome.Cancelled.class);
  }

  @Test
  void whoeverHungAfterARefusalWasDeniedMemoryHoweverItEnded() {
    for (Played end : List.of(Played.killed(15), Played.killed(9), Played.exit(0))) {
      Outcome.OutOfMemory outcome =
          memory(end.under(LIMIT).watched(3, 600 * MIB).endedBy(Ending.HUNG).diagnosed());
      assertThat(outcome.cause()).isEqualTo(Cause.ALLOCATION_DENIED);
      assertThat(outcome.confidence()).isEqualTo(Confidence.PROBABLE);
      assertThat(outcome.hung()).isTrue();
      assertThat(outcome.refusedBytes()).hasValue(600 * MIB);
      assertThat(outcome.explanation())
          .isEqualTo(
              "It asked for 600MiB and was refused under RLIMIT_DATA 500MiB, then hung, and memguard"
                  + " ended it ("
                  + outcome.evidence().status()
                  + ").");
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 9, 10, 13, 15, 24})
  void aSignalThatWasSentIsNotExplainedByWhatWasRefusedBefore(int signal) {
    Outcome outcome = Played.killed(signal).under(LIMIT).watched(3, 600 * MIB).diagnosed();
    assertThat(outcome).isInstanceOf(Outcome.Signalled.class);
    assertThat(outcome.explanation()).contains("had been refused memory before");
  }

  @Test
  void whatMemguardEndedForItsSizeIsPreemptedHoweverItTookThat() {
    Preemption reading =
        new Preemption(
            Preemption.Limit.TREE_MEMORY,
            400 * MIB,
            500 * MIB,
            700 * MIB,
            700 * MIB,
            5,
            Preemption.Source.SMAPS_ROLLUP);
    for (Played end : List.of(Played.killed(15), Played.killed(9), Played.exit(0))) {
      Outcome.OutOfMemory outcome =
          memory(end.under("data=200MiB").watched(1, MIB).preempted(reading).diagnosed());
      assertThat(outcome.cause()).isEqualTo(Cause.PREEMPTED);
      assertThat(outcome.confidence()).isEqualTo(Confidence.CERTAIN);
      assertThat(outcome.limitBytes()).hasValue(400 * MIB);
      assertThat(outcome.suggestedLimitBytes()).hasValue(700 * MIB);
      assertThat(outcome.evidence().preemption()).hasValue(reading);
      assertThat(outcome.explanation())
          .isEqualTo(
              "memguard ended it: it and 4 descendants together had 700MiB of 400MiB, and 500MiB is"
                  + " the most they may have (smaps_rollup).");
    }
  }

  @Test
  void whoeverWasEndedForTheOthersIsToldWhatWasInUse() {
    Preemption reading =
        new Preemption(
            Preemption.Limit.HEAD_ROOM,
            200 * MIB,
            180 * MIB,
            190 * MIB,
            90 * MIB,
            1,
            Preemption.Source.STAT);
    Outcome.OutOfMemory outcome = memory(Played.killed(9).preempted(reading).diagnosed());
    assertThat(outcome.cause()).isEqualTo(Cause.PREEMPTED);
    assertThat(outcome.suggestedLimitBytes()).isEmpty();
    assertThat(outcome.explanation())
        .isEqualTo(
            "memguard ended it so that others live: 190MiB of 200MiB were in use, and 180MiB is"
                + " where memguard acts; it had 90MiB of it (stat).");
  }

  @Test
  void exitCode0IsASuccessWhateverWasRefused() {
    Outcome outcome = Played.exit(0).under(LIMIT).watched(5, 600 * MIB).diagnosed();
    assertThat(outcome).isInstanceOf(Outcome.Exited.class);
    assertThat(outcome.isSuccess()).isTrue();
    assertThat(outcome.explanation()).contains("had been refused memory before");
  }

  @Test
  void aRefusalThatWasSeenIsCertain() {
    Outcome.OutOfMemory outcome =
        memory(Played.exit(1).under(LIMIT).watched(1, 600 * MIB).diagnosed());
    assertThat(outcome.cause()).isEqualTo(Cause.ALLOCATION_DENIED);
    assertThat(outcome.confidence()).isEqualTo(Confidence.CERTAIN);
    assertThat(outcome.refusedBytes()).hasValue(600 * MIB);
    assertThat(outcome.suggestedLimitBytes()).hasValue(1100 * MIB);
    assertThat(outcome.explanation())
        .isEqualTo(
            "It asked for 600MiB and was refused under RLIMIT_DATA 500MiB, then ended (exit 1).");
  }

  @Test
  void theProcessThatWasRefusedIsNamedUnlessItIsTheChild() {
    WitnessedProcess child =
        Played.process("sh", Played.CHILD, 1, Played.refusal(Refusal.Kind.MALLOC, 12, MIB));
    WitnessedProcess worker =
        Played.process("worker", 77, 2, Played.refusal(Refusal.Kind.MALLOC, 12, 600 * MIB));
    Played exit = Played.exit(1).under(LIMIT);
    assertThat(exit.watched(worker).diagnosed().explanation())
        .startsWith("Its process 77 (worker) asked for 600MiB and was refused under RLIMIT_DATA")
        .endsWith(", then the child ended (exit 1), perhaps for another reason.");
    assertThat(exit.watched(child).diagnosed().explanation())
        .startsWith("It asked for 1MiB and was refused under RLIMIT_DATA")
        .endsWith(", then ended (exit 1).");
  }

  @Test
  void aThreadIsRefusedForMemoryWhereItsStackHadNoRoom() {
    Outcome.OutOfMemory full =
        memory(Played.exit(1).under(LIMIT).watched(refusedAThread(509 * MIB)).diagnosed());
    assertThat(full.cause()).isEqualTo(Cause.ALLOCATION_DENIED);
    assertThat(full.refusedBytes()).hasValue(8 * MIB);
    assertThat(full.explanation()).contains("could not start a thread", "stack of 8MiB");
    assertThat(Played.exit(1).under(LIMIT).watched(refusedAThread(100 * MIB)).diagnosed())
        .isInstanceOf(Outcome.Exited.class);
  }

  /** Under RLIMIT_DATA 512MiB. */
  private static WitnessedProcess refusedAThread(long had) {
    Refusal refusal =
        new Refusal(
            Refusal.Kind.THREAD,
            11,
            8 * MIB,
            3,
            Duration.ZERO,
            OptionalLong.of(had),
            OptionalLong.of(4096 * MIB),
            OptionalLong.of(MIB),
            OptionalLong.of(512 * MIB),
            OptionalLong.empty());
    return Played.process("python3", Played.CHILD, 0, refusal);
  }

  @Test
  void aRefusalWithoutALimitOfOursIsOneToo() {
    Outcome.OutOfMemory outcome = memory(Played.killed(6).watched(1, MIB).diagnosed());
    assertThat(outcome.limitBytes()).isEmpty();
    assertThat(outcome.suggestedLimitBytes()).isEmpty();
    assertThat(outcome.explanation()).doesNotContain("RLIMIT");
  }

  @Test
  void aSmallRefusalSuggestsHalfAsMuchAgain() {
    assertThat(memory(Played.exit(1).under(LIMIT).watched(1, 64).diagnosed()).suggestedLimitBytes())
        .hasValue(750 * MIB);
  }

  @Test
  void noSuggestionOverflows() {
    Played huge = Played.exit(1).under("data=9223372036854775000").watched(1, MIB);
    assertThat(memory(huge.diagnosed()).suggestedLimitBytes().orElseThrow()).isPositive();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 127, 134, 137, 139, 255})
  void anExitWithoutAnySignIsAnExit(int code) {
    assertThat(Played.exit(code).under(LIMIT).diagnosed()).isInstanceOf(Outcome.Exited.class);
    assertThat(Played.exit(code).under(LIMIT).watched(0, 0).diagnosed())
        .isInstanceOf(Outcome.Exited.class);
  }

  @ParameterizedTest
  @ValueSource(ints = {6, 9, 11, 15})
  void aSignalWithoutAnySignIsASignal(int signal) {
    assertThat(Played.killed(signal).diagnosed()).isInstanceOf(Outcome.Signalled.class);
    assertThat(Played.killed(signal).under(LIMIT).watched(0, 0).diagnosed())
        .isInstanceOf(Outcome.Signalled.class);
  }

  @Test
  void aKillUnderALimitLargeEnoughIsNoMemoryEvent() {
    assertThat(Played.killed(9).under("data=64MiB").withAnIdleWitness().diagnosed())
        .isInstanceOf(Outcome.Signalled.class);
  }

  @Test
  void aKillBeforeTheWitnessCameIsNoSignOfATinyDataLimit() {
    assertThat(Played.killed(9).under("data=1MiB").withAnIdleWitness().diagnosed())
        .isInstanceOf(Outcome.Signalled.class);
    assertThat(memory(Played.killed(11).under("data=1MiB").withAnIdleWitness().diagnosed()).cause())
        .isEqualTo(Cause.LIMIT_TOO_LOW);
  }

  @ParameterizedTest
  @ValueSource(ints = {9, 11})
  void aDeathWithinExecUnderATinyLimitIsALimitTooLow(int signal) {
    Outcome.OutOfMemory outcome =
        memory(Played.killed(signal).under("as=1MiB").withAnIdleWitness().diagnosed());
    assertThat(outcome.cause()).isEqualTo(Cause.LIMIT_TOO_LOW);
    assertThat(outcome.confidence()).isEqualTo(Confidence.POSSIBLE);
    assertThat(outcome.explanation()).contains("could not start under RLIMIT_AS 1MiB");
  }

  @Test
  void whoeverGotAsFarAsItsWitnessHadStarted() {
    assertThat(Played.killed(9).under("as=1MiB").watched(0, 0).diagnosed())
        .isInstanceOf(Outcome.Signalled.class);
  }

  private static final String OF_ANOTHER =
      "/usr/lib/gcc/x86_64-linux-gnu/12/cc1: error while loading shared libraries: libmpc.so.3:"
          + " failed to map segment from shared object\n";

  @Test
  void whatAWatchedProgramStartsMayNotBeLoadedUnderLessThanAllOfItNeeds() {
    Played compiler = Played.exit(1).running("gcc").complaining(OF_ANOTHER).watched();
    Outcome.OutOfMemory outcome = memory(compiler.under("as=36MiB").diagnosed());
    assertThat(outcome.cause()).isEqualTo(Cause.LIMIT_TOO_LOW);
    assertThat(outcome.confidence()).isEqualTo(Confidence.POSSIBLE);
    assertThat(outcome.suggestedLimitBytes()).hasValue(54 * MIB);
    assertThat(compiler.under("as=500MiB").diagnosed()).isInstanceOf(Outcome.Exited.class);
    Played another = compiler.under("as=36MiB").running("make");
    assertThat(another.diagnosed()).isInstanceOf(Outcome.Exited.class);
  }

  @Test
  void aWatchedProgramMayDieUnderLessThanItNeedsWithoutBeingRefusedAnything() {
    Played ruby = Played.killed(11).running("ruby").watched();
    Outcome.OutOfMemory outcome = memory(ruby.under("as=48MiB").diagnosed());
    assertThat(outcome.cause()).isEqualTo(Cause.LIMIT_TOO_LOW);
    assertThat(outcome.confidence()).isEqualTo(Confidence.POSSIBLE);
    assertThat(ruby.under("as=100MiB").diagnosed()).isInstanceOf(Outcome.Signalled.class);
  }

  @Test
  void whoWasRefusedNothingMeansItsOwnLimitByWordsThatStandForBoth() {
    Played words =
        Played.exit(7)
            .under(LIMIT)
            .running("sqlite3")
            .complaining("Error: stepping, out of memory (7)\n");
    Outcome.OutOfMemory own = memory(words.watched().diagnosed());
    assertThat(own.cause()).isEqualTo(Cause.RUNTIME_HEAP);
    assertThat(own.confidence()).isEqualTo(Confidence.PROBABLE);
    assertThat(memory(words.watched(1, MIB).diagnosed()).cause())
        .isEqualTo(Cause.ALLOCATION_DENIED);
    Outcome.OutOfMemory either = memory(words.diagnosed());
    assertThat(either.cause()).isEqualTo(Cause.ALLOCATION_DENIED);
    assertThat(either.confidence()).isEqualTo(Confidence.POSSIBLE);
  }

  private static Outcome.OutOfMemory memory(Outcome outcome) {
    assertThat(outcome).isInstanceOf(Outcome.OutOfMemory.class);
    return (Outcome.OutOfMemory) outcome;
  }
}
