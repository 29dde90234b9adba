package io.memguard;

import io.memguard.platform.procfs.ProcessTrees.Reading;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import java.util.function.Supplier;

/**
 * Decides what is to be done about one tree, from what was read, and when it has to be looked at
 * again: as soon as it could have reached the next threshold, were it to grow as fast as memory can
 * be filled (as <a href="https://github.com/rfjakob/earlyoom">earlyoom</a> does).
 *
 * <p>It does no I/O, and belongs to one thread.
 */
final class TreeGauge {
  /** No tree grows faster: bytes a nanosecond, that is GB/s. */
  static final double FILL_RATE = 6.0;

  static final long SHORTEST_NANOS = TimeUnit.MILLISECONDS.toNanos(2);
  static final long LONGEST_NANOS = TimeUnit.SECONDS.toNanos(1);

  /** A tree is measured for a fifth of the time at most. */
  private static final int PAUSE = 4;

  /** It has come back below the soft threshold if it is below by this part. */
  private static final int BACK_PART = 8;

  /** While it is being ended, it may grow by this part of its limit; then it is killed at once. */
  private static final int GROWTH_PART = 4;

  private final long soft;
  private final long hard;
  private final LongSupplier nanoClock;
  private boolean aboveSoft;
  private long killAbove = Long.MAX_VALUE;
  private boolean ending;
  private long due;
  private long measurable;

  /** Names what is to be done. */
  enum Action {
    /** Nothing. */
    NONE,
    /** It has passed the hard threshold: end it. */
    END,
    /** It goes on growing although it is being ended: kill it. */
    KILL
  }

  /**
   * What is to be done, and why.
   *
   * @param high true if it has just passed the soft threshold
   * @param reading what was measured, if it was
   */
  record Judgement(boolean high, Action action, Optional<Reading> reading) {
    private static final Judgement NONE = new Judgement(false, Action.NONE, Optional.empty());
  }

  /**
   * Begins with a tree that has nothing yet.
   *
   * @param soft from which size on it is told; empty for never
   * @param hard above which size it is ended; empty for never
   */
  TreeGauge(OptionalLong soft, OptionalLong hard, LongSupplier nanoClock) {
    this.soft = soft.orElse(Long.MAX_VALUE);
    this.hard = hard.orElse(Long.MAX_VALUE);
    this.nanoClock = nanoClock;
    long now = nanoClock.getAsLong();
    lookAgain(now, 0);
    measurable = now;
  }

  /** Returns when it has to be looked at, as {@link System#nanoTime}. */
  long due() {
    return due;
  }

  /**
   * Judges.
   *
   * @param most no less than what it has: if that is below the thresholds, it need not be measured
   * @param measure measures it
   */
  Judgement look(long most, Supplier<Reading> measure) {
    long now = nanoClock.getAsLong();
    if (most < Math.min(soft, end())) {
      aboveSoft = aboveSoft && most >= soft - soft / BACK_PART;
      lookAgain(now, most);
      return Judgement.NONE;
    }
    if (now - measurable < 0) {
      due = measurable;
      return Judgement.NONE;
    }
    Reading reading = measure.get();
    long after = nanoClock.getAsLong();
    return judge(after, after + PAUSE * (after - now), reading);
  }

  /**
   * Judges by what was measured.
   *
   * @param affordable when it may be measured again at the earliest
   */
  private Judgement judge(long now, long affordable, Reading reading) {
    long bytes = reading.bytes();
    // One that changed while it was read may count what was shared twice, and no more than that.
    boolean sure = reading.settled() || bytes / 2 > end();
    Action action = sure && bytes > end() ? (ending ? Action.KILL : Action.END) : Action.NONE;
    boolean high = !aboveSoft && reading.settled() && bytes >= soft;
    aboveSoft = high || (aboveSoft && bytes >= soft - soft / BACK_PART);
    if (action != Action.NONE) {
      killAbove = ending ? Long.MAX_VALUE : bytes + Math.max(hard / GROWTH_PART, 1);
      ending = true;
    }
    lookAgain(now, bytes);
    due = due - affordable < 0 ? affordable : due;
    measurable = due;
    return new Judgement(high, action, Optional.of(reading));
  }

  /** Returns above which size the next thing is done. */
  private long end() {
    return ending ? killAbove : hard;
  }

  private void lookAgain(long now, long bytes) {
    long next = aboveSoft ? end() : Math.min(soft, end());
    double nanos = (next - bytes) / FILL_RATE;
    due = now + Math.max(SHORTEST_NANOS, Math.min((long) nanos, LONGEST_NANOS));
  }
}
