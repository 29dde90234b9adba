package io.memguard;

import io.memguard.outcome.MemorySample;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;

/**
 * Keeps what one tree had of its memory, of the process that was nearest to its limit, and says how
 * soon to look again: soon while somebody grows, ever later while nobody does, and the sooner the
 * less is left to the limit.
 *
 * <p>It does no I/O, and belongs to one thread.
 */
final class Sampler {
  static final long SHORTEST_NANOS = TimeUnit.MILLISECONDS.toNanos(20);
  static final long LONGEST_NANOS = TimeUnit.SECONDS.toNanos(2);

  /** Of the limit: less is no growth. */
  private static final double GROWTH = 1.0 / 64;

  private final OptionalLong dataLimit;
  private final OptionalLong addressLimit;
  private Optional<MemorySample> nearest = Optional.empty();
  private double latest;
  private long patience = SHORTEST_NANOS;
  private long interval = SHORTEST_NANOS;

  /**
   * Begins with nothing seen.
   *
   * @param dataLimit RLIMIT_DATA of each process, in bytes
   * @param addressLimit RLIMIT_AS
   */
  Sampler(OptionalLong dataLimit, OptionalLong addressLimit) {
    this.dataLimit = dataLimit;
    this.addressLimit = addressLimit;
  }

  /**
   * Takes what was seen now.
   *
   * @return what is to be kept of it, or empty if an earlier sample says more
   */
  Optional<MemorySample> look(List<MemorySample> seen) {
    double now = 0;
    Optional<MemorySample> news = Optional.empty();
    for (MemorySample one : seen) {
      now = Math.max(now, nearness(one));
      Optional<MemorySample> kept = kept(one);
      news = kept.isPresent() ? kept : news;
      nearest = kept.isPresent() ? kept : nearest;
    }
    boolean grew = now - latest >= GROWTH;
    patience = grew ? SHORTEST_NANOS : Math.min(2 * patience, LONGEST_NANOS);
    latest = now;
    long atMost = (long) (LONGEST_NANOS * Math.max(0, 1 - now));
    interval = Math.max(SHORTEST_NANOS, Math.min(patience, atMost));
    return news;
  }

  private Optional<MemorySample> kept(MemorySample one) {
    if (nearest.isEmpty()) {
      return Optional.of(one);
    }
    MemorySample before = nearest.get();
    if (one.pid() == before.pid()) {
      return Optional.of(one.atLeast(before));
    }
    return nearness(one) > nearness(before) ? Optional.of(one) : Optional.empty();
  }

  /** Returns how much of a limit it has; 1 is all of it. */
  private double nearness(MemorySample one) {
    return Math.max(part(one.dataBytes(), dataLimit), part(one.peakAddressBytes(), addressLimit));
  }

  private static double part(long bytes, OptionalLong limit) {
    return limit.isPresent() ? (double) bytes / Math.max(1, limit.getAsLong()) : 0;
  }

  /** Returns how long nobody need look again, in nanoseconds. */
  long interval() {
    return interval;
  }
}
