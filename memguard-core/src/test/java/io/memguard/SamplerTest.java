package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.outcome.MemorySample;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What is kept of what was seen, and when to look again. */
@Tag("engine-independent")
final class SamplerTest {
  private static final long MIB = 1 << 20;
  private static final long MILLI = 1_000_000;

  private final Sampler sampler =
      new Sampler(OptionalLong.of(1000 * MIB), OptionalLong.of(4000 * MIB));

  @Test
  void whoIsIdleIsLookedAtEverMoreSeldom() {
    assertThat(sampler.interval()).isEqualTo(20 * MILLI);
    look(100);
    for (long millis : new long[] {40, 80, 160, 320, 640, 1280, 1800, 1800}) {
      look(100);
      assertThat(sampler.interval()).isEqualTo(millis * MILLI);
    }
  }

  @Test
  void whoGrowsIsLookedAtAsOftenAsCanBe() {
    for (int i = 0; i < 10; i++) {
      look(100);
    }
    look(120);
    assertThat(sampler.interval()).isEqualTo(20 * MILLI);
  }

  @Test
  void theLessIsLeftTheSooner() {
    long before = Long.MAX_VALUE;
    for (int data : new int[] {500, 900, 950, 975}) {
      for (int i = 0; i < 10; i++) {
        look(data);
      }
      assertThat(sampler.interval()).isLessThan(before);
      before = sampler.interval();
    }
    assertThat(before).isEqualTo(50 * MILLI);
    look(1100);
    assertThat(sampler.interval()).isEqualTo(20 * MILLI);
  }

  @Test
  void addressSpaceCountsAgainstItsOwnLimit() {
    for (int i = 0; i < 10; i++) {
      sampler.look(List.of(sample(1, 0, 3600, 1)));
    }
    assertThat(sampler.interval() / MILLI).isBetween(199L, 200L);
  }

  @Test
  void whatOneHadOnceStays() {
    sampler.look(List.of(sample(1, 900, 900, 500)));
    assertThat(sampler.look(List.of(sample(1, 100, 1000, 600))))
        .contains(sample(1, 900, 1000, 600));
  }

  @Test
  void whoIsNearestToTheLimitIsKept() {
    MemorySample small = sample(1, 100, 100, 1);
    MemorySample large = sample(2, 900, 900, 1);
    assertThat(sampler.look(List.of(small, large))).contains(large);
    assertThat(sampler.look(List.of(small))).isEmpty();
    MemorySample larger = sample(3, 950, 950, 1);
    assertThat(sampler.look(List.of(small, larger))).contains(larger);
  }

  @Test
  void whoShowsNothingHasNoSample() {
    assertThat(sampler.look(List.of())).isEqualTo(Optional.empty());
  }

  private void look(long data) {
    sampler.look(List.of(sample(1, data, data, 1)));
  }

  private static MemorySample sample(long pid, long data, long address, long rss) {
    return new MemorySample(pid, "a", data * MIB, address * MIB, rss * MIB, Duration.ZERO);
  }
}
