package io.memguard.diagnose;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.Refusal;
import io.memguard.outcome.Refusal.Kind;
import java.time.Duration;
import java.util.OptionalLong;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The limit with which to try again. */
@Tag("engine-independent")
final class SuggestionTest {
  private static final long MIB = 1 << 20;
  private static final OptionalLong UNKNOWN = OptionalLong.empty();

  /** All in MiB: the limit, what it had, what it was refused, what is suggested. */
  @ParameterizedTest
  @CsvSource({
    "100, 99,    1,  150", // a little at a time: half as much again
    "100, 60,   41,  150",
    "100, 10,  310,  360", // one block: what it had, the block, and an eighth
    "100, 90,  110,  225", // a vector that grows to twice its size
    "100,  2,    3,  150"
  })
  void whatItHadAndWhatItWasRefusedIsEnoughWithAMargin(
      long limit, long had, long refused, long suggested) {
    assertThat(
            suggestion("data=" + limit + "MiB", refusal(refused * MIB, of(had), of(2 * had + 900))))
        .hasValue(suggested * MIB);
    assertThat(suggestion("as=" + limit + "MiB", refusal(refused * MIB, of(had / 4), of(had))))
        .as("under RLIMIT_AS all address space counts")
        .hasValue(suggested * MIB);
  }

  @Test
  void whereNobodyKnowsWhatItHadThatIsTheWholeLimit() {
    assertThat(suggestion("data=100MiB", refusal(310 * MIB, UNKNOWN, of(10)))).hasValue(410 * MIB);
  }

  @Test
  void itIsWholeMebibytes() {
    assertThat(suggestion("data=100MiB", refusal(300 * MIB + 1, of(20), UNKNOWN)))
        .hasValue(361 * MIB);
  }

  @Test
  void theOneThatWasRefusedMostIsWhoseMemoryCounts() {
    Outcome.OutOfMemory outcome =
        (Outcome.OutOfMemory)
            Played.exit(1)
                .under("data=100MiB")
                .watched(
                    Played.process("sh", 1, 1, refusal(MIB, of(99), UNKNOWN)),
                    Played.process("sort", 2, 1, refusal(320 * MIB, of(80), UNKNOWN)))
                .diagnosed();
    assertThat(outcome.suggestedLimitBytes()).hasValue(450 * MIB);
  }

  @Test
  void aThreadsStackCountsAsTheRest() {
    Refusal thread =
        new Refusal(
            Kind.THREAD,
            11,
            200 * MIB,
            1,
            Duration.ZERO,
            of(60),
            UNKNOWN,
            UNKNOWN,
            of(100),
            UNKNOWN);
    Outcome.OutOfMemory outcome =
        (Outcome.OutOfMemory)
            Played.exit(1)
                .under("data=100MiB")
                .watched(Played.process("python3", 1, 0, thread))
                .diagnosed();
    assertThat(outcome.suggestedLimitBytes()).hasValue(293 * MIB);
  }

  @Test
  void forARequestThatNoProcessCouldHaveNothingIsSuggested() {
    assertThat(suggestion("data=100MiB", refusal(Long.MAX_VALUE, of(60), UNKNOWN))).isEmpty();
    assertThat(suggestion("data=100MiB", refusal((1L << 47) + 1, of(60), UNKNOWN))).isEmpty();
    assertThat(suggestion("data=100MiB", refusal(1L << 47, of(60), UNKNOWN)).orElseThrow())
        .isGreaterThan(1L << 47);
  }

  private static OptionalLong of(long mebibytes) {
    return OptionalLong.of(mebibytes * MIB);
  }

  private static Refusal refusal(long bytes, OptionalLong data, OptionalLong address) {
    return new Refusal(
        Kind.MALLOC, 12, bytes, 1, Duration.ZERO, data, address, UNKNOWN, UNKNOWN, UNKNOWN);
  }

  private static OptionalLong suggestion(String limit, Refusal refusal) {
    Outcome outcome =
        Played.exit(1)
            .under(limit)
            .watched(Played.process("python3", Played.CHILD, 1, refusal))
            .diagnosed(MemoryLimits.none());
    return ((Outcome.OutOfMemory) outcome).suggestedLimitBytes();
  }
}
