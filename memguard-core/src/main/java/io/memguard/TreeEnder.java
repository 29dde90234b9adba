package io.memguard;

import io.memguard.outcome.Signal;
import io.memguard.platform.ProcessTree;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;

/**
 * Ends one child with its descendants, on a thread of its own that lives no longer than that takes:
 * reading {@code /proc} and waiting for the grace period are not for the watcher.
 */
final class TreeEnder {
  private static final long POLL_NANOS = TimeUnit.MILLISECONDS.toNanos(10);
  private static final long KILLED_WITHIN_NANOS = TimeUnit.SECONDS.toNanos(10);

  /** Times of {@link System#nanoTime} can be compared if they are less than 292 years apart. */
  private static final long LONGEST_NANOS = Long.MAX_VALUE / 2;

  private final GuardedProcess process;
  private final Child child;
  private final Optional<String> mark;
  private final Set<ProcessHandle> known = ConcurrentHashMap.newKeySet();
  private final Runnable whenGone;
  private @Nullable CompletableFuture<Void> done;
  private @Nullable Thread thread;
  private volatile long killAt;
  private boolean killing;

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
  void end(Duration grace) {
    end(grace, Set.of());
  }

  /**
   * Begins to end the tree, and does not wait with those of it that are known, until all are found:
   * they are asked to end at once, or, without a grace period, stopped.
   *
   * @param members some of it
   */
  synchronized void end(Duration grace, Set<ProcessHandle> members) {
    long wanted = System.nanoTime() + Math.min(TimeUnit.NANOSECONDS.convert(grace), LONGEST_NANOS);
    boolean politely = !grace.isZero();
    if (done != null && done.isDone()) { // something is left that was not found, or is new
      done = null;
      killing = false;
    }
    if (killing || (done != null && killAt - wanted <= 0)) {
      return;
    }
    killAt = wanted;
    known.addAll(members);
    if (!politely) {
      for (ProcessHandle member : members) {
        ProcessTree.stop(member);
      }
    }
    if (done == null) {
      begin(politely, members);
    } else {
      LockSupport.unpark(thread);
    }
  }

  private void begin(boolean politely, Set<ProcessHandle> members) {
    CompletableFuture<Void> ending = new CompletableFuture<>();
    done = ending; // first: whoever hears of the child's end is to wait for the tree's
    if (politely) {
      for (ProcessHandle member : members) {
        member.destroy();
      }
    }
    Thread made =
        new Thread(() -> endAndTell(politely, members, ending), "memguard-ending-" + process.pid());
    made.setDaemon(true);
    thread = made;
    try {
      made.start();
    } catch (OutOfMemoryError e) { // no thread is to be had: then those that are known, at once
      child.signal(Signal.KILL);
      members.forEach(ProcessHandle::destroyForcibly); // they are stopped already
      ending.complete(null);
    }
  }

  /** Completes when a tree that is being ended is gone; at once if none is. */
  synchronized CompletableFuture<Void> whenDone() {
    return done == null ? CompletableFuture.completedFuture(null) : done.copy();
  }

  private void endAndTell(
      boolean politely, Set<ProcessHandle> asked, CompletableFuture<Void> ending) {
    try {
      ProcessTree tree = new ProcessTree(process.toHandle());
      findAll(tree);
      if (politely) {
        tree.terminate(asked);
        awaitEnd(tree);
      }
      // What was started in the meantime, and left the tree before anybody looked, has the mark.
      findAll(tree);
      if (!tree.living().isEmpty()) {
        beginKilling();
        tree.kill();
        awaitEnd(tree);
      }
      if (tree.living().isEmpty()) {
        whenGone.run();
      }
    } finally {
      ending.complete(null);
    }
  }

  private void findAll(ProcessTree tree) {
    tree.add(known);
    tree.findMarked(mark);
  }

  private synchronized void beginKilling() {
    killing = true;
    killAt = System.nanoTime() + KILLED_WITHIN_NANOS;
  }

  /**
   * There is no descriptor to wait on for a process that is not our own child, so this looks again
   * and again.
   */
  private void awaitEnd(ProcessTree tree) {
    while (!tree.living().isEmpty() && pause()) {
      tree.refresh();
    }
  }

  /** Returns false if it is time to go on; less patience may be asked for at any moment. */
  private boolean pause() {
    if (System.nanoTime() - killAt < 0) {
      LockSupport.parkNanos(this, POLL_NANOS);
    }
    return System.nanoTime() - killAt < 0 && !Thread.currentThread().isInterrupted();
  }
}
