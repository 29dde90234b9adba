package io.memguard.recover;

import java.util.concurrent.TimeUnit;

/**
 * How long a slot waits before it starts a worker in place of one that failed by itself: not at all
 * after the first, then twice as long each time, until one does a task. Not safe to share.
 */
final class BackOff {
  private static final long FIRST_NANOS = TimeUnit.MILLISECONDS.toNanos(100);
  private static final int MOST_DOUBLINGS = 7; // 12.8 s

  private int failures;

  void failed() {
    failures++;
  }

  void succeeded() {
    failures = 0;
  }

  long nanos() {
    return failures < 2 ? 0 : FIRST_NANOS << Math.min(failures - 2, MOST_DOUBLINGS);
  }
}
