package io.memguard.recover;

import io.memguard.outcome.Outcome;
import java.io.InputStream;
import java.io.OutputStream;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;

/**
 * What a {@link WorkerPool} needs of a process. {@code io.memguard.GuardedProcess} is one.
 *
 * <p>Implementations are safe to share between threads.
 */
public interface WorkerProcess {
  /**
   * Returns its number.
   *
   * @return the pid
   */
  long pid();

  /**
   * Returns where it is given its tasks.
   *
   * @return its stdin
   */
  OutputStream getOutputStream();

  /**
   * Returns where its answers come from; it ends when the process does.
   *
   * @return its stdout
   */
  InputStream getInputStream();

  /**
   * Returns what it says besides; it ends when the process does.
   *
   * @return its stderr, empty if that is not a pipe
   */
  InputStream getErrorStream();

  /**
   * Returns how it ended, as soon as that is known.
   *
   * @return completes when the process has ended
   */
  CompletableFuture<Outcome> outcome();

  /**
   * Ends it and its descendants, or those that are left of it.
   *
   * @param grace how long they may take to end themselves; zero kills at once
   * @return completes when all have ended
   */
  CompletableFuture<Outcome> destroyTree(Duration grace);
}
