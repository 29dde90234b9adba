package io.memguard.recover;

import io.memguard.launch.LaunchException;
import io.memguard.limits.MemoryLimits;
import io.memguard.recover.TaskAttempt.Failure;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/**
 * One task, from when it was submitted until its future is completed. It belongs to the line it
 * waits in, and then to the slot that works on it; nobody else changes it.
 */
final class Task {
  final long number;
  final byte[] payload;
  final Duration deadline;
  final CompletableFuture<byte[]> result = new CompletableFuture<>();
  private final Sizes sizes;
  private final Attempts attempts;
  private final List<TaskAttempt> failed = new ArrayList<>();
  private final AtomicBoolean finished = new AtomicBoolean();
  private @Nullable Worker at;

  private final BackOff launches = new BackOff();
  private long notBefore = System.nanoTime();

  /** When it was put into the line, in nanoseconds; the line's own. */
  long waitsSince;

  Task(long number, WorkerTask task, Sizes sizes, PoolOptions options, RetryPolicy retry) {
    this.number = number;
    this.payload = task.payload();
    this.deadline = task.deadline().orElse(options.deadline());
    this.sizes = sizes;
    this.attempts = new Attempts(retry, sizes.enoughFor(task.memory()));
  }

  /** Returns what its next worker may use. */
  MemoryLimits limits() {
    return attempts.limits();
  }

  int attemptsMade() {
    return failed.size();
  }

  /** Notes a failure, and tells whether it is to be tried again. */
  boolean goOnAfter(TaskAttempt attempt) {
    failed.add(attempt);
    boolean again =
        switch (attempt.failure()) {
          case OUT_OF_MEMORY ->
              attempt.reason().isPresent()
                  ? attempts.goOnAfter(attempt.outcome())
                  : attempts.goOnAfterItsWord();
          case WORKER_DIED, PROTOCOL, STDERR_FLOOD -> attempts.goOnAfterOtherFailure();
          case DEADLINE -> false;
        };
    if (attempt.failure() == Failure.OUT_OF_MEMORY) {
      attempts.limits(sizes.enoughFor(attempts.limits().memory()));
    }
    return again;
  }

  /** Notes that just now there was no worker to be had for it: others go first for a while. */
  void putOff() {
    launches.failed();
    notBefore = System.nanoTime() + launches.nanos();
  }

  boolean isDue() {
    return System.nanoTime() - notBefore >= 0;
  }

  /** Notes that no worker of its size could be started, and tells whether to try again. */
  boolean goOnAfterLaunchFailure() {
    return attempts.goOnAfterOtherFailure();
  }

  /** Tells once that it is over, whoever asks first. */
  boolean finish() {
    return finished.compareAndSet(false, true);
  }

  TaskQuarantinedException quarantined() {
    return new TaskQuarantinedException(failed);
  }

  TaskQuarantinedException quarantined(LaunchException reason) {
    return new TaskQuarantinedException(failed, reason);
  }

  /** Has the worker ended that has it, if nobody waits for the result any more. */
  synchronized void endIfCancelled() {
    if (at != null && result.isCancelled()) {
      at.cancel();
    }
  }

  /** Notes who has it: from now on a cancellation ends that worker, and no other. */
  synchronized void at(@Nullable Worker worker) {
    at = worker;
    endIfCancelled();
  }
}
