package io.memguard;

import io.memguard.platform.cgroup.Headroom;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * How fast head-room falls, and how much is to be kept free therefore. It does no I/O, and belongs
 * to one thread.
 */
final class HeadroomFall {
  /** What is seen in less is chance: one huge page, or counters that lag behind. */
  private static final long WINDOW_NANOS = TimeUnit.MILLISECONDS.toNanos(4);

  /** Who fills does so in bursts. */
  private static final long HELD_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  private Headroom.@Nullable Reading from;
  private long fromAt;
  private double rate;
  private long rateAt;

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
    return reading.reserve().whileFalling(rate);
  }

  private void since(Headroom.Reading reading, long now) {
    from = reading;
    fromAt = now;
  }

  private static boolean isOfOneLimit(Headroom.Reading one, Headroom.Reading other) {
    return one.limit() == other.limit() && one.setBy().equals(other.setBy());
  }
}
