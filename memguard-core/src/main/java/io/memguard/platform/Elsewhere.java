package io.memguard.platform;

import java.util.concurrent.Executor;
import java.util.concurrent.SynchronousQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/**
 * Runs tasks on other threads; where none is to be had, on the caller's: what the task is to tell
 * must not be lost.
 *
 * <p>The threads are memguard's own, shared by all guards, and end a second after their last task.
 * Those of {@link java.util.concurrent.ForkJoinPool#commonPool} would not do: it queues a task
 * before it makes a thread, and where that failed once, says nothing of the next ones (JDK 25); and
 * an application may have them all wait.
 */
public final class Elsewhere {
  /** Without a bound: what users do when a child has ended may wait for another child. */
  private static final Executor POOL =
      new ThreadPoolExecutor(
          0, Integer.MAX_VALUE, 1, TimeUnit.SECONDS, new SynchronousQueue<>(), Elsewhere::thread);

  private Elsewhere() {}

  private static Thread thread(Runnable tasks) {
    Thread made = new Thread(null, tasks, "memguard-elsewhere", 0, false);
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
}
