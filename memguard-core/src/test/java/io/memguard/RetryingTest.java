package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.AllocationDeniedException;
import io.memguard.outcome.Outcome;
import io.memguard.recover.RetryPolicy;
import io.memguard.support.Children;
import io.memguard.support.WithGuard;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** A real child is tried again until it has the memory it needs. */
@ExtendWith(WithGuard.class)
final class RetryingTest {
  private static final MemoryLimits START = MemoryLimits.of("64MiB");

  @Test
  void untilItFits(MemoryGuard guard) throws Exception {
    List<Long> limits = new ArrayList<>();
    Outcome outcome =
        guard.run(
            Children.python("held = [bytearray(40 << 20) for _ in range(5)]; print('done')"),
            START,
            RetryPolicy.onOutOfMemory()
                .maxAttempts(5)
                .upTo("1GiB")
                .listener(
                    attempt ->
                        limits.add(
                            attempt
                                .outcome()
                                .orElseThrow()
                                .evidence()
                                .limitBytes()
                                .orElseThrow())));
    assertThat(outcome.orThrow().isSuccess()).isTrue();
    assertThat(limits).hasSizeBetween(2, 4).isSorted().startsWith(64L << 20);
    assertThat(outcome.earlierAttempts())
        .hasSize(limits.size() - 1)
        .allSatisfy(earlier -> assertThat(earlier).isInstanceOf(Outcome.OutOfMemory.class));
  }

  @Test
  void theSuggestionMakesTheSecondAttemptLargeEnoughForASingleRequest(MemoryGuard guard)
      throws Exception {
    Outcome outcome =
        guard.run(
            Children.python("bytearray(600 << 20)"),
            START,
            RetryPolicy.onOutOfMemory().maxAttempts(2).growBy(1.1));
    assertThat(outcome.isSuccess()).isTrue();
  }

  @Test
  void untilTheCeiling(MemoryGuard guard) throws Exception {
    Outcome outcome =
        guard.run(
            Children.python("held = [bytearray(50 << 20) for i in range(12)]"),
            START,
            RetryPolicy.onOutOfMemory().maxAttempts(9).upTo("200MiB"));
    assertThatExceptionOfType(AllocationDeniedException.class)
        .isThrownBy(outcome::orThrow)
        .satisfies(e -> assertThat(e.getSuppressed()).isNotEmpty());
    assertThat(outcome.evidence().limitBytes()).hasValue(200 << 20);
  }

  @Test
  void notWhereOneRequestIsMoreThanTheCeiling(MemoryGuard guard) throws Exception {
    Outcome outcome =
        guard.run(
            Children.python("bytearray(600 << 20)"),
            START,
            RetryPolicy.onOutOfMemory().maxAttempts(9).upTo("200MiB"));
    assertThatExceptionOfType(AllocationDeniedException.class)
        .isThrownBy(outcome::orThrow)
        .satisfies(e -> assertThat(e.getSuppressed()).isEmpty());
  }
}
