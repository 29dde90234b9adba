package io.memguard;

import io.memguard.outcome.Signal;
import io.memguard.platform.ProcessTree;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Ends one child with its descendants, on a thread of its own that lives no longer than that takes:
 * reading {@code /proc} and waiting for the grace period are not for the watcher.
 */
final class TreeEnder {
  private static final long POLL_MILLIS = 10;
  private static final long KILLED_WITHIN_NANOS = TimeUnit.SECONDS.toNanos(10);

  /** Times of {@link System#nanoTime} can be compared if they are less than 292 years apart. */
  private static final long LONGEST_NANOS = Long.MAX_VALUE / 2;

  private final GuardedProcess process;
  private final Child child;
  private final Optional<String> mark;
  private final Runnable whenGone;
  private @Nullable CompletableFuture<Void> done;
  private volatile long killAt;

  /**
   * Makes the means to end a tree.
   *
   * @param mark what all of it has in its environment, or empty if it has none
   * @param whenGone called when nothing of it is left, before others are told; must not wait
   */
  TreeEnder(GuardedProcess process, Child child, Optional<String> mark, Runnable whenGone) {
    this.process = process;
    this.child = child;
    this.mark = mark;
    this.whenGone = whenGone;
  }

  /** Begins to end the tree; if that was begun before, the shorter grace period counts. */
  synchronized void end(Duration grace) {
    long now = System.nanoTime();
    long wanted = now + Math.min(TimeUnit.NANOSECONDS.convert(grace), LONGEST_NANOS);
    if (done != null) {
      killAt = killAt - wanted > 0 ? wanted : killAt;
      return;
    }
    killAt = wanted;
    CompletableFuture<Void> ending = new CompletableFuture<>();
    done = ending;
    Thread thread =
        new Thread(() -> endAndTell(!grace.isZero(), ending), "memguard-ending-" + process.pid());
    thread.setDaemon(true);
    try {
      thread.start();
    } catch (OutOfMemoryError e) { // no thread is to be had: then the child alone, at once
      child.signal(Signal.KILL);
      ending.complete(null);
    }
  }

  /** Completes when a tree that is being ended is gone; at once if none is. */
  synchronized CompletableFuture<Void> whenDone() {
    return done == null ? CompletableFuture.completedFuture(null) : done.copy();
  }

  private void endAndTell(boolean politely, CompletableFuture<Void> ending) {
    try {
      ProcessTree tree = new ProcessTree(process.toHandle());
      tree.findMarked(mark);
      if (politely) {
        tree.terminate();
        awaitEnd(tree);
      }
      // What was started in the meantime, and left the tree before anybody looked, has the mark.
      tree.findMarked(mark);
      if (!tree.living().isEmpty()) {
        tree.kill();
        killAt = System.nanoTime() + KILLED_WITHIN_NANOS;
        awaitEnd(tree);
      }
      if (tree.living().isEmpty()) {
        whenGone.run();
      }
    } finally {
      ending.complete(null);
    }
  }

  /**
   * There is no descriptor to wait on for a process that is not our own child, so this looks again
   * and again.
   */
  private void awaitEnd(ProcessTree tree) {
    while (!tree.living().isEmpty() && System.nanoTime() - killAt < 0) {
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
