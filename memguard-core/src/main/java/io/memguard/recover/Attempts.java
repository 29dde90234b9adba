package io.memguard.recover;

import io.memguard.launch.LaunchException;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;
import java.util.Optional;

/**
 * What is left of a policy's budgets for one job, and the limits of its next attempt. Failures for
 * want of memory and others are counted apart. Not safe to share between threads.
 */
final class Attempts {
  private final RetryPolicy policy;
  private MemoryLimits limits;
  private int memoryFailures;
  private int otherFailures;

  Attempts(RetryPolicy policy, MemoryLimits first) {
    this.policy = policy;
    this.limits = first;
  }

  /** Returns what the next attempt gets; after the last one, what that had. */
  MemoryLimits limits() {
    return limits;
  }

  /** Has the next attempt get other limits than it was to have. */
  void limits(MemoryLimits others) {
    limits = others;
  }

  /** Counts an attempt that has ended, and tells whether there is to be another. */
  boolean goOnAfter(Outcome outcome) {
    if (outcome instanceof Outcome.OutOfMemory memory) {
      return goOnWith(policy.nextLimits(limits, memory));
    }
    boolean failed = outcome instanceof Outcome.Exited || outcome instanceof Outcome.Signalled;
    return failed && !outcome.isSuccess() && goOnAfterOtherFailure();
  }

  /** Counts a launch that failed, and tells whether it is to be tried again. */
  boolean goOnAfter(LaunchException failure) {
    return failure.isRetryable() && goOnAfterOtherFailure();
  }

  /** Counts an attempt that failed in some other way, and tells whether there is to be another. */
  boolean goOnAfterOtherFailure() {
    return ++otherFailures < policy.otherAttempts();
  }

  /** Counts an attempt of which only its own word says that memory was refused to it. */
  boolean goOnAfterItsWord() {
    return goOnWith(policy.grown(limits, 0));
  }

  private boolean goOnWith(Optional<MemoryLimits> next) {
    if (++memoryFailures >= policy.maxAttempts() || next.isEmpty()) {
      return false;
    }
    limits = next.get();
    return true;
  }
}
