package io.memguard.platform;

import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Runs tasks on other threads, at once or later; where none is to be had, what is to be run at once
 * is run on the caller's: what the task is to tell must not be lost.
 *
 * <p>The threads are memguard's own, shared by all guards, and end a second after their last task.
 * Those of {@link java.util.concurrent.ForkJoinPool#commonPool} would not do: it queues a task
 * before it makes a thread, and where that failed once, says nothing of the next ones (JDK 25); and
 * an application may have them all wait. Nor would those behind {@link
 * CompletableFuture#orTimeout}: they never end, and who waits for all threads of a group, as
 * exec-maven-plugin does, waits in vain. So these are in the group above all others, too.
 */
public final class Elsewhere {
  /** Without a bound: what users do when a child has ended may wait for another child. */
  private static final Executor POOL =
      new ThreadPoolExecutor(
          0, Integer.MAX_VALUE, 1, TimeUnit.SECONDS, new SynchronousQueue<>(), Elsewhere::thread);

  private static final ScheduledThreadPoolExecutor LATER = later();

  private Elsewhere() {}

  private static ScheduledThreadPoolExecutor later() {
    ScheduledThreadPoolExecutor made = new ScheduledThreadPoolExecutor(1, Elsewhere::thread);
    made.setRemoveOnCancelPolicy(true);
    made.setKeepAliveTime(1, TimeUnit.SECONDS);
    made.allowCoreThreadTimeOut(true); // not as long as there is a task
    return made;
  }

  private static Thread thread(Runnable tasks) {
    ThreadGroup group = Thread.currentThread().getThreadGroup();
    while (group.getParent() != null) {
      group = group.getParent();
    }
    Thread made = new Thread(group, tasks, "memguard-elsewhere", 0, false);
    made.setDaemon(true);
    made.setContextClassLoader(ClassLoader.getSystemClassLoader()); // not whoever's came first
    return made;
  }

  /** Runs a task, once. */
  public static void run(Runnable task) {
    try {
      POOL.execute(task);
    } catch (OutOfMemoryError e) { // no thread could be made, and nothing was queued
      task.run();
    }
  }

  /**
   * Runs a task later, all of them on one thread: it must not wait for long.
   *
   * @return cancels it
   * @throws OutOfMemoryError if no thread can be made
   */
  public static Future<?> after(long nanos, Runnable task) {
    LATER.prestartCoreThread(); // else it would be queued, and be done by whoever has a thread next
    return LATER.schedule(task, nanos, TimeUnit.NANOSECONDS);
  }

  /**
   * Completes a future if that has not been done by then, as {@link
   * CompletableFuture#completeOnTimeout} does.
   *
   * @return the same future
   * @throws OutOfMemoryError if no thread can be made
   */
  @SuppressWarnings("FutureReturnValueIgnored") // it only forgets the timer
  public static <T> CompletableFuture<T> completeAfter(
      CompletableFuture<T> future, @Nullable T value, Duration time) {
    if (!future.isDone()) {
      Future<?> timer = after(time.toNanos(), () -> future.complete(value));
      future.whenComplete((result, trouble) -> timer.cancel(false));
    }
    return future;
  }
}
