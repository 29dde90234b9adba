package io.memguard;

import io.memguard.platform.procfs.ProcessTrees.Reading;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import java.util.function.LongFunction;
import java.util.function.LongSupplier;

/**
 * Decides what is to be done about one tree, from what was read, and when it has to be looked at
 * again: as soon as it could have reached the next threshold, were it to grow as fast as memory can
 * be filled (as <a href="https://github.com/rfjakob/earlyoom">earlyoom</a> does). Then too it need
 * not be looked at, if the whole machine has given out less than the tree lacks to the threshold;
 * but if that is much of it, a look is what gives it back its time: else the machine would have to
 * be asked ever more often.
 *
 * <p>It does no I/O, and belongs to one thread.
 */
final class TreeGauge {
  static final long SHORTEST_NANOS = TimeUnit.MILLISECONDS.toNanos(2);

  /** So often who is in it is looked at, however little it could have grown. */
  static final long LONGEST_NANOS = TimeUnit.SECONDS.toNanos(2);

  static final long LONGEST_PAUSE_NANOS = TimeUnit.SECONDS.toNanos(1);

  private static final int PAUSE_PART = 4;

  /** Who counts for more than he has is measured now and then: he may have come down. */
  private static final long MEASURED_NANOS = TimeUnit.SECONDS.toNanos(10);

  /**
   * Who did not have to be measured is looked at again when this part of what it lacked is left:
   * looks, and questions to the machine, cost the least together then, as long as few processes are
   * looked at.
   */
  private static final int RENEWED_PART = 2;

  /** So many processes more make looks dearer, and the part that is left is one smaller. */
  private static final int PROCESSES_A_PART = 25;

  /** It has come back below the soft threshold if it is below by this part. */
  private static final int BACK_PART = 8;

  /** While it is being ended, it may grow by this part of its limit; then it is killed at once. */
  private static final int GROWTH_PART = 4;

  private final long soft;
  private final long hard;
  private final LongSupplier nanoClock;
  private final LongSupplier cpuClock;
  private boolean aboveSoft;
  private boolean ending;
  private long killAbove = Long.MAX_VALUE;

  private long due;
  private long lookedAt;
  private long interval;
  private long measuredAt;
  private long measurable;

  /** What it lacked to the next threshold when {@link #givenOutThen} was read; 0 if unknown. */
  private long room;

  /** Whether {@link #room} is known from a look alone: it did not have to be measured. */
  private boolean lookedAtOnly;

  private OptionalLong givenOutThen = OptionalLong.empty();

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
   * @param took what that took of a CPU, in nanoseconds
   */
  record Judgement(boolean high, Action action, Optional<Reading> reading, long took) {
    private static final Judgement NONE = new Judgement(false, Action.NONE, Optional.empty(), 0);
  }

  /**
   * Begins with a tree that has nothing yet.
   *
   * @param soft from which size on it is told; empty for never
   * @param hard above which size it is ended; empty for never
   * @param cpuClock what the calling thread has had of a CPU, in nanoseconds
   */
  TreeGauge(OptionalLong soft, OptionalLong hard, LongSupplier nanoClock, LongSupplier cpuClock) {
    this.soft = soft.orElse(Long.MAX_VALUE);
    this.hard = hard.orElse(Long.MAX_VALUE);
    this.nanoClock = nanoClock;
    this.cpuClock = cpuClock;
    long now = nanoClock.getAsLong();
    lookedAt = now;
    measuredAt = now;
    measurable = now;
    due = now + nanosToFill(next());
  }

  /** Returns when it has to be looked at, as {@link System#nanoTime}. */
  long due() {
    return due;
  }

  /**
   * Tells whether it has to be looked at now; if it cannot have grown that far, nor much of the
   * way, its time is put off.
   *
   * @param now as {@link System#nanoTime}
   * @param givenOut what the machine has given out until now, to whomever; empty if it cannot tell
   * @param processes how many are looked at in all: the more, the later is that worth the while
   */
  boolean isDue(long now, OptionalLong givenOut, int processes) {
    long least = leastRoom(givenOut);
    long enough = lookedAtOnly ? room / (RENEWED_PART + processes / PROCESSES_A_PART) : 0;
    if (least > enough) {
      long later = Math.min(now + nanosToFill(least), lookedAt + LONGEST_NANOS);
      due = later - due > 0 ? later : due;
      interval = LONGEST_NANOS;
    } else {
      interval = due - lookedAt;
    }
    return due - now <= 0;
  }

  /**
   * Returns how late it would be to look at it now, as {@link #isDue} has found, as a part of the
   * time for which it need not be looked at: 0 if it is just due, and less before. Who has waited
   * much too long is later than anybody else, however long he could wait.
   */
  double lateness(long now) {
    long overdue = now - lookedAt - interval;
    return overdue > LONGEST_NANOS ? overdue : (double) overdue / Math.max(interval, 1);
  }

  /** Returns what it lacks at least to the next threshold; 0 or less if that is unknown. */
  private long leastRoom(OptionalLong givenOut) {
    return givenOut.isPresent() && givenOutThen.isPresent()
        ? room - (givenOut.getAsLong() - givenOutThen.getAsLong())
        : 0;
  }

  /**
   * Judges.
   *
   * @param givenOut what the machine had given out before this look began
   * @param most no less than what it has, but for what is swapped out: if that is below the
   *     thresholds, it need not be measured
   * @param measure measures it, but no more of it than so many bytes
   */
  Judgement look(OptionalLong givenOut, long most, LongFunction<Reading> measure) {
    long now = nanoClock.getAsLong();
    lookedAt = now;
    if (most < next()) {
      aboveSoft = aboveSoft && isAbout(most);
      know(givenOut, most, now);
      lookedAtOnly = true;
      return Judgement.NONE;
    }
    long least = leastRoom(givenOut);
    if (least > 0 && now - measuredAt < MEASURED_NANOS) {
      lookedAtOnly = false;
      due = now + nanosToFill(least);
      return Judgement.NONE;
    }
    if (now - measurable < 0) {
      due = measurable;
      return Judgement.NONE;
    }
    long began = cpuClock.getAsLong();
    Reading reading = measure.apply(end());
    long took = cpuClock.getAsLong() - began;
    measuredAt = nanoClock.getAsLong();
    Judgement judgement = judge(reading, most, took);
    know(givenOut, reading.bytes(), measuredAt);
    long affordable = measuredAt + pause(took);
    due = due - affordable < 0 ? affordable : due;
    measurable = due;
    return judgement;
  }

  /**
   * Returns how long to look away after something that took so much of a CPU: for four fifths of
   * the time, but no longer than a second.
   */
  static long pause(long took) {
    return Math.min(PAUSE_PART * took, LONGEST_PAUSE_NANOS);
  }

  private Judgement judge(Reading reading, long most, long took) {
    long bytes = reading.bytes();
    Action action = reading.isMoreThan(end()) ? (ending ? Action.KILL : Action.END) : Action.NONE;
    boolean high = !aboveSoft && reading.settled() && bytes >= soft;
    aboveSoft = high || (aboveSoft && isAbout(bytes));
    if (action != Action.NONE) {
      // Of what it has more than enough of, not all was read.
      killAbove = ending ? Long.MAX_VALUE : Math.max(bytes, most) + Math.max(hard / GROWTH_PART, 1);
      ending = true;
    }
    return new Judgement(high, action, Optional.of(reading), took);
  }

  private boolean isAbout(long bytes) {
    return bytes >= soft - soft / BACK_PART;
  }

  private void know(OptionalLong givenOut, long bytes, long now) {
    givenOutThen = givenOut;
    room = next() - bytes;
    lookedAtOnly = false;
    due = now + nanosToFill(room);
  }

  /** Returns the size at which something is to be done next. */
  private long next() {
    return aboveSoft ? end() : Math.min(soft, end());
  }

  private long end() {
    return ending ? killAbove : hard;
  }

  private static long nanosToFill(long bytes) {
    return Math.max(SHORTEST_NANOS, Math.min(MemoryWatch.nanosToFill(bytes), LONGEST_NANOS));
  }
}
