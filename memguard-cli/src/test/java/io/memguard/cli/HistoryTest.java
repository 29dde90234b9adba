package io.memguard.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.MemoryGuard;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.MemoryReading;
import io.memguard.outcome.Outcome;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

/** However long it goes on, there is not more of it, and peaks stay. */
class HistoryTest {
  private final History history = new History();

  private void see(Duration at, long bytes) {
    history.saw(
        at,
        new MemoryReading(
            bytes,
            OptionalLong.of(1 << 30),
            1,
            Optional.empty(),
            OptionalDouble.empty(),
            MemoryReading.Source.SMAPS_ROLLUP),
        Optional.empty());
  }

  @Test
  void aDayHasItsPeaksAndItsEndsInAThousandSamples() {
    history.began(1, Duration.ZERO, MemoryLimits.none());
    Duration at = Duration.ZERO;
    long looks = 0;
    while (at.toHours() < 24) {
      boolean spike = looks == 123 || looks == 20_000 || looks == 100_000;
      see(at, spike ? 900 + looks % 7 : 100 + looks % 50);
      at = at.plusNanos(history.interval());
      looks++;
    }
    List<History.Sample> samples = history.samples();
    assertThat(looks).isGreaterThan(100_000);
    assertThat(samples).hasSizeBetween(History.MOST_SAMPLES / 3, History.MOST_SAMPLES);
    assertThat(samples.stream().filter(one -> one.bytes() >= 900)).hasSize(3);
    assertThat(samples).isSortedAccordingTo((a, b) -> Double.compare(a.at(), b.at()));
    assertThat(samples.get(0).at()).isLessThan(300);
    assertThat(samples.get(samples.size() - 1).at()).isGreaterThan(86_400 - 300);
    assertThat(history.interval()).isEqualTo(TimeUnit.MILLISECONDS.toNanos(500));
  }

  @Test
  void shortAttemptsKeepTheirSamplesApart() {
    for (int attempt = 1; attempt <= 2_000; attempt++) {
      history.began(attempt, Duration.ofMillis(attempt), MemoryLimits.none());
      see(Duration.ofMillis(attempt), attempt);
    }
    assertThat(history.samples()).hasSize(2_000);
  }

  /** What is told before the start has returned, or long after the end, is told of no attempt. */
  @Test
  void whoEndedItIsKnownFromTheEvidenceToo() throws Exception {
    Outcome outcome;
    try (MemoryGuard guard = MemoryGuard.create()) {
      ProcessBuilder greedy = new ProcessBuilder("perl", "-e", "$x = q(x) x (64 << 20); sleep 60");
      outcome = guard.run(greedy, MemoryLimits.none().withTreeMemory("32MiB"));
    }
    history.began(1, Duration.ZERO, MemoryLimits.none());
    history.ended(Duration.ofMinutes(1), outcome);
    assertThat(history.marks())
        .extracting(History.Mark::text)
        .startsWith("memguard ends all of it")
        .endsWith("killed by SIGTERM: out of memory, preempted");
    assertThat(history.samples()).singleElement().matches(one -> one.bytes() > 32 << 20);
  }

  @Test
  void aSmallRequestIsNotNothing() {
    assertThat(List.of(StatusLines.size(0), StatusLines.size(57), StatusLines.size(3 << 19)))
        .containsExactly("0MiB", "57B", "1.5MiB");
  }
}
