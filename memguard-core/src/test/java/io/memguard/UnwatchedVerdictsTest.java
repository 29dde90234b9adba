package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.limits.ResourceLimit;
import io.memguard.outcome.Cause;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.LimitTooLowException;
import io.memguard.outcome.Outcome;
import io.memguard.support.Children;
import io.memguard.support.Engines;
import io.memguard.support.WithGuard;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Where no witness is, signs are weighed, and are never called certain. */
@ExtendWith(WithGuard.class)
final class UnwatchedVerdictsTest {
  private static final MemoryLimits UNWATCHED =
      MemoryLimits.of("1GiB").with(Protection.WITNESS, Requirement.OFF);

  @Test
  void aRefusalNobodySawIsPossible(MemoryGuard guard) throws Exception {
    Outcome outcome = guard.run(Children.python("bytearray(2 << 30)"), UNWATCHED);
    assertDenied(outcome, Confidence.POSSIBLE);
    assertThat(outcome.evidence().witness()).isEmpty();
    assertThat(outcome.explanation()).contains("Python").contains("RLIMIT_DATA 1GiB");
  }

  @Test
  void nearTheLimitItIsProbable(MemoryGuard guard) throws Exception {
    String nearlyFull = "held = bytearray(800 << 20); bytearray(800 << 20)";
    Outcome outcome = guard.run(Children.python(nearlyFull), UNWATCHED);
    if (Engines.isNative()) {
      assertDenied(outcome, Confidence.PROBABLE);
      assertThat(outcome.evidence().peakRssBytes().orElseThrow()).isGreaterThan(800L << 20);
    } else { // then only a sample can tell, if anybody looked in time: see LastSampleTest
      assertThat(guard.capabilities().limitations()).anyMatch(text -> text.contains("peak memory"));
      assertThat(outcome).isInstanceOf(Outcome.OutOfMemory.class);
    }
  }

  @Test
  void theWordsAndTheExitAloneAreNoMoreThanPossible(MemoryGuard guard) throws Exception {
    assertDenied(
        guard.run(Children.sh("echo MemoryError >&2; exit 1"), UNWATCHED), Confidence.POSSIBLE);
  }

  @ParameterizedTest
  @CsvSource({"MemoryError, 2", "OutOfMemoryError, 1", "'', 1", "'no MemoryError here', 1"})
  void wordsThatDoNotFitTheExitAreNothing(String words, int code, MemoryGuard guard)
      throws Exception {
    Outcome outcome =
        guard.run(Children.sh("echo \"$1\" >&2; exit $2", words, "" + code), UNWATCHED);
    assertThat(outcome).isEqualTo(new Outcome.Exited(code, outcome.evidence()));
  }

  @Test
  void withoutALimitTheWordsAreNothing(MemoryGuard guard) throws Exception {
    Outcome outcome = guard.run(Children.sh("echo MemoryError >&2; exit 1"), MemoryLimits.none());
    assertThat(outcome).isEqualTo(new Outcome.Exited(1, outcome.evidence()));
  }

  @ParameterizedTest
  @CsvSource({"data=64KiB, RLIMIT_DATA 64KiB", "as=1MiB, RLIMIT_AS 1MiB"})
  void aLimitUnderWhichNothingStartsIsNamed(String limit, String named, MemoryGuard guard)
      throws Exception {
    MemoryLimits tiny = MemoryLimits.none().withRlimit(ResourceLimit.parse(limit));
    Outcome outcome = guard.run(new ProcessBuilder("true"), tiny);
    assertThatExceptionOfType(LimitTooLowException.class)
        .isThrownBy(outcome::orThrow)
        .withMessageContaining("could not start under " + named)
        .satisfies(e -> assertThat(e.outcome().cause()).isEqualTo(Cause.LIMIT_TOO_LOW));
  }

  private static void assertDenied(Outcome outcome, Confidence confidence) {
    assertThat(outcome).isInstanceOf(Outcome.OutOfMemory.class);
    Outcome.OutOfMemory memory = (Outcome.OutOfMemory) outcome;
    assertThat(memory.cause()).isEqualTo(Cause.ALLOCATION_DENIED);
    assertThat(memory.confidence()).isEqualTo(confidence);
    assertThat(memory.refusedBytes()).isEmpty();
  }
}
