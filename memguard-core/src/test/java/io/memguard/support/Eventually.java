package io.memguard.support;

import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import org.assertj.core.api.Assertions;

/**
 * Waits for what the kernel or another process does in its own time and tells nobody. Ends as soon
 * as it is so, and fails when it takes too long.
 */
public final class Eventually {
  private static final Duration PATIENCE = Duration.ofSeconds(40);

  private Eventually() {}

  /** Returns when the condition holds. */
  public static void await(String what, BooleanSupplier condition) {
    await(() -> what, condition);
  }

  /** Returns when the condition holds; the text is made when it did not come to hold. */
  public static void await(Supplier<String> what, BooleanSupplier condition) {
    long deadline = System.nanoTime() + PATIENCE.toNanos();
    while (!condition.getAsBoolean()) {
      if (System.nanoTime() - deadline > 0) {
        Assertions.fail("%s: not so after %s", what.get(), PATIENCE);
      }
      LockSupport.parkNanos(1_000_000);
    }
  }

  /** Returns when no process has this pid, dead and unburied ones not counted. */
  public static void awaitGone(long pid) {
    await("process " + pid + " is gone", () -> !Proc.lives(pid));
  }
}
