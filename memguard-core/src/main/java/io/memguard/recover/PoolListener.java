package io.memguard.recover;

import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;

/**
 * Is told what happens in a {@link WorkerPool}, on the thread of the worker's slot: while a method
 * here does not return, that slot does nothing else: it must not wait for the pool (submit, close).
 * What it throws is logged and changes nothing.
 *
 * <p>Implementations are safe to share between threads.
 */
public interface PoolListener {
  /**
   * A worker is ready.
   *
   * @param pid its number
   * @param limits what it may use
   */
  default void workerStarted(long pid, MemoryLimits limits) {}

  /**
   * A worker has ended, or was ended.
   *
   * @param pid its number
   * @param reason one of "recycled", "resized", "closed", "failed", "never ready"
   * @param outcome how it ended
   */
  default void workerEnded(long pid, String reason, Outcome outcome) {}

  /**
   * An attempt failed, and the task is tried again.
   *
   * @param task its number, as {@link WorkerPool} counts them from 1
   * @param attempt how it failed
   * @param next what its next worker may use
   */
  default void taskRetried(long task, TaskAttempt attempt, MemoryLimits next) {}

  /**
   * A task was set aside. Its future ends with the same exception afterwards.
   *
   * @param task its number, as {@link WorkerPool} counts them from 1
   * @param payload what it was
   * @param quarantined all its attempts
   */
  default void taskQuarantined(long task, byte[] payload, TaskQuarantinedException quarantined) {}
}
