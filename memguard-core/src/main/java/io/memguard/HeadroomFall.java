package io.memguard;

import io.memguard.platform.cgroup.Headroom;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * How fast head-room falls, how late we are to see it, and how much is to be kept free therefore.
 * It does no I/O, and belongs to one thread.
 */
final class HeadroomFall {
  /** What is seen in less is chance: one huge page, or counters that lag behind. */
  private static final long WINDOW_NANOS = TimeUnit.MILLISECONDS.toNanos(4);

  /** What it takes to look, to choose, and to stop a child: see docs/headroom.md. */
  private static final long STOPPING_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

  /** That takes more where we have to wait for a CPU: several times, once for each step. */
  private static final int STEPS = 4;

  /**
   * Whoever was later than that was not kept waiting by children: the collector ran, or a quota.
   */
  private static final long MOST_LATE_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  private static final long LATE_HELD_NANOS = TimeUnit.SECONDS.toNanos(2);

  /** Who fills does so in bursts. */
  private static final long HELD_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  private Headroom.@Nullable Reading from;
  private long fromAt;
  private double rate;
  private long rateAt;
  private long latest;
  private long latestAt;

  /**
   * Takes notice of how late a look was.
   *
   * @param late nanoseconds between when it was due and when it came
   */
  void late(long late, long now) {
    if (late >= latest || now - latestAt >= LATE_HELD_NANOS) {
      latest = Math.min(late, MOST_LATE_NANOS);
      latestAt = now;
    }
  }

  /**
   * Takes notice of a reading.
   *
   * @param now when it was read, as {@link System#nanoTime}
   * @return what is to be kept free now, in bytes
   */
  long reserve(Headroom.Reading reading, long now) {
    if (from == null || !isOfOneLimit(from, reading)) {
      rate = 0;
      since(reading, now);
    } else if (now - fromAt >= WINDOW_NANOS) {
      double seen = (double) (from.bytes() - reading.bytes()) / (now - fromAt);
      if (seen >= rate || now - rateAt >= HELD_NANOS) {
        rate = seen;
        rateAt = now;
      }
      since(reading, now);
    }
    return reading.reserve().whileFalling((long) (rate * (STOPPING_NANOS + STEPS * latest)));
  }

  private void since(Headroom.Reading reading, long now) {
    from = reading;
    fromAt = now;
  }

  private static boolean isOfOneLimit(Headroom.Reading one, Headroom.Reading other) {
    return one.limit() == other.limit() && one.setBy().equals(other.setBy());
  }
}
