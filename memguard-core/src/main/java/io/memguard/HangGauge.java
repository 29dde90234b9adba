package io.memguard;

import io.memguard.platform.procfs.Activity;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Decides whether a tree that was refused memory hangs: it has made no progress for its grace
 * period, since the last refusal and since its last progress. Progress is a process more or less, a
 * byte or a call of I/O, or more than a hundredth of a CPU over that time: a JVM or Node that hangs
 * still ticks. Who is stopped makes no progress and does not hang; who has worked for as long as
 * its grace period since the last refusal has survived that.
 *
 * <p>Only time in which it was looked at counts: the JVM itself may have been stopped, or had no
 * CPU. It does no I/O, and belongs to one thread.
 */
final class HangGauge {
  static final long LONGEST_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final long SHORTEST_NANOS = TimeUnit.MILLISECONDS.toNanos(20);
  private static final int LOOKS = 10;
  private static final int CPU_PART = 100;
  private static final int UNSEEN_IO = 2;

  private final long grace;
  private @Nullable Activity mark;
  private long refusalsThen;
  private long worked;
  private long lookedAt;
  private long idle;

  /**
   * Begins with a tree that nobody has looked at.
   *
   * @param grace in nanoseconds; twice that where I/O is not known
   */
  HangGauge(long grace) {
    this.grace = grace;
  }

  /** Returns how long nobody need look again, in nanoseconds. */
  long interval() {
    return Math.max(SHORTEST_NANOS, Math.min(grace / LOOKS, LONGEST_NANOS));
  }

  /** Returns the same for as long as nothing was refused: it is seen that much later. */
  long intervalBefore() {
    return Math.max(SHORTEST_NANOS, Math.min(grace / LOOKS, 2 * LONGEST_NANOS));
  }

  /**
   * Looks.
   *
   * @param now as {@link System#nanoTime}
   * @param refusals how many there were until now
   * @param activity what the tree has done until now
   * @return whether it hangs
   */
  boolean look(long now, long refusals, Activity activity) {
    Activity then = mark;
    long passed = Math.min(now - lookedAt, 2 * interval());
    lookedAt = now;
    if (then == null || refusals != refusalsThen) {
      worked = 0;
      refusalsThen = refusals;
      startAfresh(activity);
      return false;
    }
    boolean works = hasWorked(then, activity);
    worked += works ? passed : 0;
    if (works || activity.held()) {
      startAfresh(activity);
      return false;
    }
    idle += passed;
    return idle >= patience(activity) && worked < patience(activity);
  }

  /** Begins to wait again: from now on, it has done nothing yet. */
  void startAfresh(Activity activity) {
    mark = activity;
    idle = 0;
  }

  private boolean hasWorked(Activity then, Activity now) {
    return !now.processes().equals(then.processes())
        || !now.io().equals(then.io())
        || now.cpuNanos() - then.cpuNanos() > patience(now) / CPU_PART;
  }

  private long patience(Activity activity) {
    return activity.io().isPresent()
        ? grace
        : grace > Long.MAX_VALUE / UNSEEN_IO ? Long.MAX_VALUE : UNSEEN_IO * grace;
  }
}
