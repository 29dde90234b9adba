package io.memguard;

import io.memguard.platform.ProcessTree;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Ends one child with its descendants, on a thread of its own that lives no longer than that takes:
 * reading {@code /proc} and waiting for the grace period are not for the watcher.
 */
final class TreeEnder {
  private static final long POLL_MILLIS = 10;
  private static final Duration KILLED_WITHIN = Duration.ofSeconds(10);

  private final GuardedProcess process;
  private @Nullable CompletableFuture<Void> done;

  TreeEnder(GuardedProcess process) {
    this.process = process;
  }

  /** Begins to end the tree, unless that was begun before. */
  synchronized void end(Duration grace) {
    if (done == null) {
      CompletableFuture<Void> ending = new CompletableFuture<>();
      done = ending;
      Thread thread =
          new Thread(() -> endAndTell(grace, ending), "memguard-ending-" + process.pid());
      thread.setDaemon(true);
      thread.start();
    }
  }

  /** Completes when a tree that is being ended is gone; at once if none is. */
  synchronized CompletableFuture<Void> whenDone() {
    return done == null ? CompletableFuture.completedFuture(null) : done.copy();
  }

  private void endAndTell(Duration grace, CompletableFuture<Void> ending) {
    try {
      ProcessTree tree = new ProcessTree(process.toHandle());
      if (!grace.isZero()) {
        tree.terminate();
        awaitEnd(tree, grace);
      }
      if (!tree.living().isEmpty()) {
        tree.kill();
        awaitEnd(tree, KILLED_WITHIN);
      }
    } finally {
      ending.complete(null);
    }
  }

  /**
   * There is no descriptor to wait on for a process that is not our own child, so this looks again
   * and again.
   */
  private static void awaitEnd(ProcessTree tree, Duration atMost) {
    long deadline = System.nanoTime() + TimeUnit.NANOSECONDS.convert(atMost);
    while (!tree.living().isEmpty() && System.nanoTime() - deadline < 0) {
      try {
        Thread.sleep(POLL_MILLIS);
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        return;
      }
      tree.refresh();
    }
  }
}
