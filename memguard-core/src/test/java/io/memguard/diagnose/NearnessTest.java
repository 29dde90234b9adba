package io.memguard.diagnose;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.outcome.Cause;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.MemorySample;
import io.memguard.outcome.Outcome;
import java.time.Duration;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What the last sample of a child's memory makes of its end. */
@Tag("engine-independent")
final class NearnessTest {
  private static final long MIB = 1 << 20;
  private static final Played SAYS =
      Played.exit(1).running("python3").complaining("Traceback\nMemoryError\n");

  @ParameterizedTest
  @CsvSource({
    "data=160MiB, 120, 900, PROBABLE",
    "data=160MiB, 119, 900, POSSIBLE",
    "as=160MiB,   0,   120, PROBABLE",
    "as=160MiB,   900, 119, POSSIBLE",
  })
  void wordsAndThreeQuartersOfTheLimitAreProbable(
      String limit, long data, long address, Confidence confidence) {
    Played sampled = SAYS.under(limit).sampled(data * MIB, address * MIB);
    assertThat(memory(sampled.diagnosed()).confidence()).isEqualTo(confidence);
  }

  @ParameterizedTest
  @CsvSource({"data=160MiB, 150, 0", "as=160MiB, 0, 150"})
  void nearlyAllOfTheLimitAloneIsPossible(String limit, long data, long address) {
    Played failed = Played.exit(7).under(limit).sampled(data * MIB, address * MIB);
    Outcome.OutOfMemory outcome = memory(failed.diagnosed());
    assertThat(outcome.cause()).isEqualTo(Cause.ALLOCATION_DENIED);
    assertThat(outcome.confidence()).isEqualTo(Confidence.POSSIBLE);
    assertThat(outcome.refusedBytes()).isEmpty();
    assertThat(outcome.suggestedLimitBytes()).hasValue(240 * MIB);
    assertThat(outcome.explanation())
        .startsWith("It had 150MiB of RLIMIT_")
        .contains("160MiB when it was last looked at, 15 ms before the end (exit 7)");
    Played sent = Played.killed(6).under(limit).sampled(data * MIB, address * MIB);
    assertThat(memory(sent.diagnosed()).confidence()).isEqualTo(Confidence.POSSIBLE);
  }

  @Test
  void aDescendantIsNamed() {
    MemorySample another =
        new MemorySample(9, "worker", 160 * MIB, 160 * MIB, MIB, Duration.ofMillis(3));
    assertThat(memory(Played.exit(7).under("data=160MiB").sampled(another).diagnosed()))
        .extracting(Outcome::explanation)
        .asString()
        .startsWith("Its process 9 (worker) had 160MiB of RLIMIT_DATA 160MiB");
  }

  @Test
  void lessThanThatAloneIsNothing() {
    Outcome outcome = Played.exit(7).under("data=160MiB").sampled(149 * MIB, 900 * MIB).diagnosed();
    assertThat(outcome).isInstanceOf(Outcome.Exited.class);
  }

  @Test
  void whoWasWatchedSentASignalOrHadNoLimitIsJudgedWithoutIt() {
    Played full = Played.exit(7).under("data=160MiB").sampled(160 * MIB, 160 * MIB);
    assertThat(full.watched(0, 0).diagnosed()).isInstanceOf(Outcome.Exited.class);
    assertThat(full.withAnIdleWitness().diagnosed()).isInstanceOf(Outcome.OutOfMemory.class);
    assertThat(Played.exit(7).sampled(160 * MIB, 160 * MIB).diagnosed())
        .isInstanceOf(Outcome.Exited.class);
    assertThat(Played.killed(15).under("data=160MiB").sampled(160 * MIB, 0).diagnosed())
        .isInstanceOf(Outcome.Signalled.class);
    assertThat(Played.exit(0).under("data=160MiB").sampled(160 * MIB, 0).diagnosed())
        .isInstanceOf(Outcome.Exited.class);
  }

  private static Outcome.OutOfMemory memory(Outcome outcome) {
    assertThat(outcome).isInstanceOf(Outcome.OutOfMemory.class);
    return (Outcome.OutOfMemory) outcome;
  }
}
