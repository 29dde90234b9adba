package io.memguard;

import io.memguard.platform.procfs.ProcessTree;
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
  private static final int POLLS_PER_LOOK = 10;
  private static final long KILLED_WITHIN_NANOS = TimeUnit.SECONDS.toNanos(10);

  /** Times of {@link System#nanoTime} can be compared if they are less than 292 years apart. */
  private static final long LONGEST_NANOS = Long.MAX_VALUE / 2;

  private final GuardedProcess process;
  private final Optional<String> mark;
  private final Set<ProcessHandle> known = ConcurrentHashMap.newKeySet();
  private final Runnable whenGone;
  private @Nullable CompletableFuture<Void> done;
  private @Nullable Thread thread;
  private volatile long giveUpAt;
  private boolean killing;

  /**
   * Makes the means to end a tree.
   *
   * @param mark what all of it has in its environment, or empty if it has none
   * @param whenGone called when nothing of it is left, before others are told; must not wait
   */
  TreeEnder(GuardedProcess process, Optional<String> mark, Runnable whenGone) {
    this.process = process;
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
    CompletableFuture<Void> ending = new CompletableFuture<>(); // while nobody is stopped yet
    boolean politely = !grace.isZero();
    if (politely) {
      members.stream().filter(known::add).forEach(ProcessHandle::destroy);
    } else {
      known.addAll(members); // also while it is being killed: they may be new
      members.forEach(ProcessTree::stop);
    }
    long wanted = System.nanoTime() + Math.min(TimeUnit.NANOSECONDS.convert(grace), LONGEST_NANOS);
    if (thread == null) { // or something is left that was not found, or is new
      giveUpAt = wanted;
      done = ending; // first: whoever hears of the child's end is to wait for the tree's
      begin(politely, ending);
    } else if (!killing && wanted - giveUpAt < 0) {
      giveUpAt = wanted;
      LockSupport.unpark(thread);
    }
  }

  private void begin(boolean politely, CompletableFuture<Void> ending) {
    killing = false;
    try {
      Thread made =
          new Thread(() -> endAndTell(politely, ending), "memguard-ending-" + process.pid());
      made.setDaemon(true);
      thread = made;
      made.start();
    } catch (OutOfMemoryError e) { // no thread is to be had: then those that are known, at once
      thread = null;
      killKnown();
      ending.complete(null);
    }
  }

  /** Completes when a tree that is being ended is gone; at once if none is. */
  synchronized CompletableFuture<Void> whenDone() {
    return done == null ? CompletableFuture.completedFuture(null) : done.copy();
  }

  private void endAndTell(boolean politely, CompletableFuture<Void> ending) {
    try {
      if (end(politely)) {
        whenGone.run();
      }
    } finally {
      try {
        leave();
      } finally {
        ending.complete(null);
      }
    }
  }

  /** Returns whether nothing is left of it. */
  private boolean end(boolean politely) {
    ProcessTree tree = new ProcessTree(process.toHandle(), mark);
    boolean gone = (politely && terminate(tree)) || kill(tree);
    while (gone && !finish()) {
      gone = kill(tree);
    }
    tree.bury();
    return gone;
  }

  /**
   * Returns whether nothing is left of it. What they start in answer may take its time, and is
   * asked to end when it alone is left: then nobody waits for it any more.
   */
  private boolean terminate(ProcessTree tree) {
    isLeft(tree);
    do {
      tree.terminate(known);
      for (int polls = 1; tree.isAnyAskedLeft() && pause(); polls++) {
        if (polls % POLLS_PER_LOOK == 0) { // seldom: it takes longer
          tree.look();
        }
      }
      if (isTimeToGoOn()) {
        return false;
      }
    } while (isLeft(tree));
    return true;
  }

  private boolean kill(ProcessTree tree) {
    synchronized (this) {
      killing = true;
      giveUpAt = System.nanoTime() + KILLED_WITHIN_NANOS;
    }
    boolean left;
    do {
      tree.add(known);
      tree.kill();
      while (!tree.living().isEmpty() && !tree.add(known) && pause()) {
        // there is no descriptor to wait on for a process that is not our own child
      }
      left = isLeft(tree);
    } while (left && !isTimeToGoOn());
    if (left) {
      tree.kill(); // somebody does not end, and the others need not wait for him
    }
    return !left;
  }

  /** What was started and left the tree before anybody looked has the mark. */
  private boolean isLeft(ProcessTree tree) {
    tree.add(known);
    tree.look();
    return !tree.living().isEmpty();
  }

  /**
   * Returns false if somebody who lives became known meanwhile. From then on, whoever comes begins
   * anew.
   */
  private synchronized boolean finish() {
    known.removeIf(ProcessTree::hasEnded);
    if (known.isEmpty()) {
      thread = null;
    }
    return known.isEmpty();
  }

  /** Gives up, unless it has finished; nobody may stay stopped. */
  private synchronized void leave() {
    if (thread == Thread.currentThread()) {
      thread = null;
      killKnown();
    }
  }

  private void killKnown() {
    process.toHandle().destroyForcibly();
    known.forEach(ProcessHandle::destroyForcibly);
    known.clear();
  }

  /** Returns false if it is time to go on; less patience may be asked for at any moment. */
  private boolean pause() {
    if (!isTimeToGoOn()) {
      LockSupport.parkNanos(this, POLL_NANOS);
    }
    return !isTimeToGoOn();
  }

  private boolean isTimeToGoOn() {
    return System.nanoTime() - giveUpAt >= 0 || Thread.currentThread().isInterrupted();
  }
}
