package io.memguard.recover;

import io.memguard.launch.LaunchException;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.Preemption;
import java.util.Optional;
import java.util.OptionalLong;

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
      return goOnWith(afterwards(memory));
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
    return goOnWith(++memoryFailures < policy.maxAttempts() ? grownTo(had(), 0) : Optional.empty());
  }

  private boolean goOnWith(Optional<MemoryLimits> next) {
    limits = next.orElse(limits);
    return next.isPresent();
  }

  private Optional<MemoryLimits> afterwards(Outcome.OutOfMemory outcome) {
    if (++memoryFailures >= policy.maxAttempts()) {
      return Optional.empty();
    }
    return switch (outcome.cause()) {
      case CONTAINER, HOST -> Optional.of(limits);
      case PREEMPTED -> hadTooMuch(outcome) ? grown(outcome) : Optional.of(limits);
      case RUNTIME_HEAP ->
          outcome.evidence().heapFollowsLimit() ? grown(outcome) : Optional.empty();
      case ALLOCATION_DENIED, LIMIT_TOO_LOW, OWN_CGROUP -> grown(outcome);
    };
  }

  private static boolean hadTooMuch(Outcome.OutOfMemory outcome) {
    return outcome
        .evidence()
        .preemption()
        .filter(reading -> reading.limit() == Preemption.Limit.TREE_MEMORY)
        .isPresent();
  }

  private Optional<MemoryLimits> grown(Outcome.OutOfMemory outcome) {
    boolean neverFits =
        outcome.confidence() == Confidence.CERTAIN
            && outcome.refusedBytes().orElse(0) > policy.ceiling();
    return neverFits || outcome.limitBytes().isEmpty()
        ? Optional.empty() // one request is more than all it may get, or no limit was in force
        : grownTo(had(), had().isPresent() ? suggested(outcome, had().getAsLong()) : 0);
  }

  /** Where no resource limit is in force, the cgroup's is the amount that was asked for. */
  private OptionalLong had() {
    return limits.bytes().isPresent() ? limits.bytes() : limits.memory();
  }

  private Optional<MemoryLimits> grownTo(OptionalLong had, long suggested) {
    if (had.isEmpty() || had.getAsLong() >= policy.ceiling()) {
      return Optional.empty(); // there is none, or it is as high as it may be
    }
    double grown = Math.min((double) had.getAsLong() * policy.factor(), (double) policy.ceiling());
    long wanted = Math.max((long) grown, suggested);
    return Optional.of(limits.withMemory(Math.min(wanted, policy.ceiling())));
  }

  /** Returns 0 for none. What is suggested for the tree is a multiple of what the tree had. */
  private static long suggested(Outcome.OutOfMemory outcome, long had) {
    long limit = outcome.limitBytes().orElse(had);
    long suggested = outcome.suggestedLimitBytes().orElse(0);
    return hadTooMuch(outcome) && limit != had
        ? (long) ((double) suggested / limit * had)
        : suggested;
  }
}
