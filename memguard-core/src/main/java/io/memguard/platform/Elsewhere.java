package io.memguard.platform;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * Runs tasks on other threads, those of {@link CompletableFuture}'s own methods; where none is to
 * be had, on the caller's: what the task is to tell must not be lost.
 */
public final class Elsewhere {
  private static final Executor POOL = new CompletableFuture<Void>().defaultExecutor();

  private Elsewhere() {}

  /** Runs a task, once. */
  public static void run(Runnable task) {
    AtomicBoolean begun = new AtomicBoolean();
    Runnable once =
        () -> {
          if (begun.compareAndSet(false, true)) {
            task.run();
          }
        };
    try {
      POOL.execute(once);
    } catch (OutOfMemoryError e) { // no thread could be made; the pool may have kept it, for later
      once.run();
    }
  }
}
