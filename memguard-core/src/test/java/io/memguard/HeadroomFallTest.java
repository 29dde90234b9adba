package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.memguard.platform.cgroup.Headroom.Reading;
import io.memguard.platform.cgroup.Reserve;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** How much is to be kept free of 200 MiB: 25, and up to 50 while that falls. */
@Tag("engine-independent")
final class HeadroomFallTest {
  private static final long MIB = 1L << 20;
  private static final long LIMIT = 200 * MIB;
  private static final long LESSER = 25 * MIB;
  private static final long LARGER = 50 * MIB;

  private final HeadroomFall fall = new HeadroomFall();
  private long millis;

  @Test
  void whoIsSlowIsLeftTheMost() {
    assertThat(after(0, 100 * MIB)).isEqualTo(LESSER);
    assertThat(after(1000, 50 * MIB))
        .isCloseTo(LESSER + MIB, within(1L)); // 50 a second are 1 in 20 ms
    assertThat(after(1000, 90 * MIB)).as("it rises").isEqualTo(LESSER);
  }

  @Test
  void whatIsSeenInOneMillisecondIsChance() {
    after(0, 100 * MIB);
    assertThat(after(1, 98 * MIB)).as("one huge page").isEqualTo(LESSER);
    assertThat(after(1, 98 * MIB)).isEqualTo(LESSER);
    assertThat(after(18, 98 * MIB)).as("2 MiB in 20 ms").isCloseTo(LESSER + 2 * MIB, within(1L));
  }

  @Test
  void aBurstIsRememberedForATenthOfASecond() {
    after(0, 100 * MIB);
    assertThat(after(4, 90 * MIB)).isEqualTo(LARGER);
    assertThat(after(50, 90 * MIB)).isEqualTo(LARGER);
    assertThat(after(49, 90 * MIB)).isEqualTo(LARGER);
    assertThat(after(4, 90 * MIB)).isEqualTo(LESSER);
  }

  /** As where the CPU is shared with whoever fills, or throttled. */
  @Test
  void whoIsLateKeepsMore() {
    after(0, 100 * MIB);
    fall.late(TimeUnit.MILLISECONDS.toNanos(45), 0);
    assertThat(after(1000, 50 * MIB)).as("200 ms").isCloseTo(LESSER + 10 * MIB, within(1L));
    fall.late(0, TimeUnit.SECONDS.toNanos(11));
    assertThat(after(10_000, 50 * MIB)).isEqualTo(LESSER);
    assertThat(after(1000, 0)).as("20 ms").isCloseTo(LESSER + MIB, within(1L));
  }

  @Test
  void readingsOfTwoLimitsAreNotCompared() {
    fall.reserve(new Reading(148 * MIB, Reserve.standard(2048 * MIB), 2048 * MIB, "cgroup /"), 0);
    assertThat(after(10, 44 * MIB)).isEqualTo(LESSER);
  }

  private long after(long milliseconds, long bytes) {
    millis += milliseconds;
    return fall.reserve(
        new Reading(bytes, Reserve.standard(LIMIT), LIMIT, "cgroup /pod"),
        TimeUnit.MILLISECONDS.toNanos(millis));
  }
}
