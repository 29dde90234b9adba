package io.memguard.recover;

import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;
import java.time.Duration;
import java.util.Optional;

/**
 * An attempt at a task of a {@link WorkerPool} that failed.
 *
 * @param number 1 for the first
 * @param pid the worker that had it
 * @param limits what that worker might use
 * @param failure how it failed
 * @param explanation one sentence for people
 * @param outcome how the worker ended
 * @param took from when the worker was given the task until it had ended
 */
public record TaskAttempt(
    int number,
    long pid,
    MemoryLimits limits,
    Failure failure,
    String explanation,
    Outcome outcome,
    Duration took) {

  /** How an attempt can fail. */
  public enum Failure {
    /** The worker ran out of memory: its outcome says how, or it said so itself. */
    OUT_OF_MEMORY,
    /** The worker ended without an answer, or closed its stdout. */
    WORKER_DIED,
    /** The worker wrote what is no answer to its task, and was ended. */
    PROTOCOL,
    /** The worker wrote too much to stderr, and was ended. */
    STDERR_FLOOD,
    /** The task's time was over, and its worker was ended. */
    DEADLINE
  }

  /** Returns the exception that goes with the worker's end, if memory was the reason. */
  Optional<Throwable> reason() {
    return outcome instanceof Outcome.OutOfMemory
        ? Optional.of(outcome.toException())
        : Optional.empty();
  }
}
