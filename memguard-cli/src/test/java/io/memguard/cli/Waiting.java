package io.memguard.cli;

import static org.assertj.core.api.Assertions.fail;

import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

/** Waits for what other processes do. */
final class Waiting {
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(50);

  private Waiting() {}

  /** Waits for the end of a process that was killed. */
  static void untilGone(Process process) {
    process.onExit().orTimeout(PATIENCE_NANOS, TimeUnit.NANOSECONDS).join();
  }

  static void until(String what, Callable<Boolean> condition) throws Exception {
    long deadline = System.nanoTime() + PATIENCE_NANOS;
    while (!condition.call()) {
      if (System.nanoTime() - deadline > 0) {
        fail("waited in vain until " + what);
      }
      TimeUnit.MILLISECONDS.sleep(10);
    }
  }
}
