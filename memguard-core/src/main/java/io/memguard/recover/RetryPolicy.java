package io.memguard.recover;

import io.memguard.launch.LaunchException;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.MemorySize;
import io.memguard.outcome.Cause;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.Preemption;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.function.Consumer;

/**
 * Says how often a child is tried again, and with how much more memory. Out-of-memory attempts have
 * a budget of their own; other failures are not tried again unless asked for.
 *
 * <pre>{@code
 * RetryPolicy.onOutOfMemory().maxAttempts(4).growBy(2.0).upTo("4GiB")
 * }</pre>
 *
 * <p>Immutable; safe to share between threads if the listener is. Each {@link #execute} counts its
 * own attempts.
 */
public final class RetryPolicy {
  private final int maxAttempts;
  private final double factor;
  private final long ceiling;
  private final int otherAttempts;
  private final Consumer<Attempt> listener;

  /**
   * One attempt that has ended.
   *
   * @param number 1 for the first
   * @param outcome how it ended, or empty if it could not be started
   * @param launchFailure why it could not be started
   * @param nextLimits what the next attempt gets; of the last one, what it had itself
   * @param isLast true if there is no next attempt
   */
  public record Attempt(
      int number,
      Optional<Outcome> outcome,
      Optional<LaunchException> launchFailure,
      MemoryLimits nextLimits,
      boolean isLast) {
    private Attempt asLast() {
      return new Attempt(number, outcome, launchFailure, nextLimits, true);
    }
  }

  /** Runs a child once, to its end. */
  @FunctionalInterface
  public interface Runner {
    /**
     * Runs the child.
     *
     * @param limits what it may use
     * @return how it ended
     * @throws LaunchException if it could not be started
     * @throws InterruptedException if the caller was interrupted; the child is ended then
     */
    Outcome run(MemoryLimits limits) throws LaunchException, InterruptedException;
  }

  private RetryPolicy(
      int maxAttempts, double factor, long ceiling, int otherAttempts, Consumer<Attempt> listener) {
    this.maxAttempts = maxAttempts;
    this.factor = factor;
    this.ceiling = ceiling;
    this.otherAttempts = otherAttempts;
    this.listener = listener;
  }

  /**
   * Tries again after an out-of-memory outcome: up to 3 attempts in all, each with twice the memory
   * of the one before where it was the child's own limit that was reached. Where it was somebody
   * else's ({@link Cause#CONTAINER}, {@link Cause#HOST}, {@link Cause#PREEMPTED} for {@link
   * Preemption.Limit#HEAD_ROOM}), a larger one of its own would only take more from those around
   * it: the next attempt gets the same again. Where it was the runtime's own ({@link
   * Cause#RUNTIME_HEAP}), there is a next attempt only if the runtime was told of the limit ({@link
   * LaunchOptions#withTuning}), and so has a larger heap under a larger one.
   *
   * @return the policy
   */
  public static RetryPolicy onOutOfMemory() {
    return new RetryPolicy(3, 2.0, Long.MAX_VALUE, 1, attempt -> {});
  }

  /**
   * Never tries again.
   *
   * @return the policy
   */
  public static RetryPolicy never() {
    return onOutOfMemory().maxAttempts(1);
  }

  /**
   * Sets how many attempts may end out of memory, the first included.
   *
   * @param attempts 1 or more
   * @return the new policy
   * @throws IllegalArgumentException if it is less than 1
   */
  public RetryPolicy maxAttempts(int attempts) {
    return new RetryPolicy(
        atLeastOne("maxAttempts", attempts), factor, ceiling, otherAttempts, listener);
  }

  /**
   * Sets by how much the limit grows after each out-of-memory outcome for a limit of the child's
   * own: its resource limit, and with that its tree's and its cgroup's, which keep their share of
   * it. Where the outcome suggests a larger limit, that is taken.
   *
   * @param growth 1.0 or more
   * @return the new policy
   * @throws IllegalArgumentException if it is less than 1, or no finite number
   */
  public RetryPolicy growBy(double growth) {
    if (!Double.isFinite(growth) || growth < 1.0) {
      throw new IllegalArgumentException(
          "growth factor " + growth + " is out of range; allowed is 1.0 or more, for example 2.0");
    }
    return new RetryPolicy(maxAttempts, growth, ceiling, otherAttempts, listener);
  }

  /**
   * Sets the largest limit an attempt may get, of the kind that {@link MemoryLimits#memory} tells.
   * When an attempt had it and that was not enough, there is no further one; nor when one request
   * was refused, with certainty, that is larger.
   *
   * @param size for example {@code "4GiB"}
   * @return the new policy
   * @throws IllegalArgumentException if the text is no amount of memory
   */
  public RetryPolicy upTo(String size) {
    return upTo(MemorySize.parse(size));
  }

  /**
   * Sets the largest limit an attempt may get.
   *
   * @param bytes 1 or more
   * @return the new policy
   * @throws IllegalArgumentException if it is zero or negative
   */
  public RetryPolicy upTo(long bytes) {
    if (bytes <= 0) {
      throw new IllegalArgumentException(
          "the ceiling "
              + bytes
              + " is not positive; allowed is 1 to "
              + Long.MAX_VALUE
              + " bytes");
    }
    return new RetryPolicy(maxAttempts, factor, bytes, otherAttempts, listener);
  }

  /**
   * Also tries again, with the same memory, after exits with an error, signals, and launches that
   * failed for want of memory or processes. Time-outs and cancellations are never tried again.
   *
   * @param attempts how many attempts may end so, the first included; 1 for no second try
   * @return the new policy
   * @throws IllegalArgumentException if it is less than 1
   */
  public RetryPolicy otherFailures(int attempts) {
    return new RetryPolicy(
        maxAttempts, factor, ceiling, atLeastOne("otherFailures", attempts), listener);
  }

  /**
   * Calls back after each attempt, on the thread that runs them. Launches that failed and were
   * tried again are told of here only, unless the last one fails too.
   *
   * @param callback what to call; an exception from it ends the retrying and reaches the caller
   * @return the new policy
   */
  public RetryPolicy listener(Consumer<Attempt> callback) {
    return new RetryPolicy(
        maxAttempts, factor, ceiling, otherAttempts, Objects.requireNonNull(callback, "listener"));
  }

  /**
   * Tells whether an attempt that ran out of memory may be followed by another.
   *
   * @return false if the first one is the last
   */
  public boolean triesAgain() {
    return maxAttempts > 1;
  }

  /**
   * Runs a child until an attempt is the last: it succeeded, it failed in a way that is not tried
   * again, or a budget is used up.
   *
   * @param first what the first attempt may use
   * @param runner runs one attempt
   * @return how the last attempt ended, with the earlier ones in it
   * @throws LaunchException if an attempt could not be started, with the earlier failures
   *     suppressed in it
   * @throws InterruptedException if the caller was interrupted
   */
  public Outcome execute(MemoryLimits first, Runner runner)
      throws LaunchException, InterruptedException {
    return execute(first, runner, attempt -> {});
  }

  /**
   * Does the same, and has somebody else told of each attempt as well, after this policy's own
   * listener: if that ends the retrying by an exception, the attempt is told of as the last one.
   *
   * @param first what the first attempt may use
   * @param runner runs one attempt
   * @param observer is called back after each attempt, on this thread; an exception from it ends
   *     the retrying and reaches the caller
   * @return how the last attempt ended, with the earlier ones in it
   * @throws LaunchException if an attempt could not be started, with the earlier failures
   *     suppressed in it
   * @throws InterruptedException if the caller was interrupted
   */
  public Outcome execute(MemoryLimits first, Runner runner, Consumer<Attempt> observer)
      throws LaunchException, InterruptedException {
    return new Execution(first, runner, observer).run();
  }

  /**
   * Tells what an attempt may use that follows one that ran out of memory, for those who keep count
   * of attempts themselves: in a queue's message, or another framework's retries.
   *
   * @param had what the attempt might use
   * @param outcome how it ended
   * @return the limits of the next one, which may be the same where they were not the reason; empty
   *     where another attempt is of no use: it had as much as it may get, one request was larger
   *     than that, or it was a limit of its own that a larger one of memguard's does not move
   */
  public Optional<MemoryLimits> nextLimits(MemoryLimits had, Outcome.OutOfMemory outcome) {
    return switch (outcome.cause()) {
      case CONTAINER, HOST -> Optional.of(had);
      case PREEMPTED -> hadTooMuch(outcome) ? grown(had, outcome) : Optional.of(had);
      case RUNTIME_HEAP ->
          outcome.evidence().heapFollowsLimit() ? grown(had, outcome) : Optional.empty();
      case ALLOCATION_DENIED, LIMIT_TOO_LOW, OWN_CGROUP -> grown(had, outcome);
    };
  }

  private static boolean hadTooMuch(Outcome.OutOfMemory outcome) {
    return outcome
        .evidence()
        .preemption()
        .filter(reading -> reading.limit() == Preemption.Limit.TREE_MEMORY)
        .isPresent();
  }

  private Optional<MemoryLimits> grown(MemoryLimits had, Outcome.OutOfMemory outcome) {
    boolean neverFits =
        outcome.confidence() == Confidence.CERTAIN && outcome.refusedBytes().orElse(0) > ceiling;
    return neverFits || outcome.limitBytes().isEmpty()
        ? Optional.empty() // one request is more than all it may get, or no limit was in force
        : grown(had, suggested(outcome, bytes(had).orElse(0)));
  }

  /** Returns the next limits, at least as large as what is suggested if they may be. */
  Optional<MemoryLimits> grown(MemoryLimits limits, long suggested) {
    OptionalLong had = bytes(limits);
    if (had.isEmpty() || had.getAsLong() >= ceiling) {
      return Optional.empty(); // there is none, or it is as high as it may be
    }
    double grown = Math.min((double) had.getAsLong() * factor, (double) ceiling);
    long wanted = Math.max((long) grown, suggested);
    return Optional.of(limits.withMemory(Math.min(wanted, ceiling)));
  }

  /** Where no resource limit is in force, the cgroup's is the amount that was asked for. */
  private static OptionalLong bytes(MemoryLimits limits) {
    return limits.bytes().isPresent() ? limits.bytes() : limits.memory();
  }

  /** Returns 0 for none. What is suggested for the tree is a multiple of what the tree had. */
  private static long suggested(Outcome.OutOfMemory outcome, long had) {
    long limit = outcome.limitBytes().orElse(had);
    long suggested = outcome.suggestedLimitBytes().orElse(0);
    return hadTooMuch(outcome) && limit != had
        ? (long) ((double) suggested / limit * had)
        : suggested;
  }

  /** One call of {@link #execute}: which attempts were made. */
  private final class Execution {
    private final Runner runner;
    private final Consumer<Attempt> observer;
    private final Attempts attempts;
    private final List<Outcome> earlier = new ArrayList<>();
    private final List<LaunchException> refusedLaunches = new ArrayList<>();
    private int number;

    Execution(MemoryLimits first, Runner runner, Consumer<Attempt> observer) {
      this.runner = runner;
      this.observer = observer;
      this.attempts = new Attempts(RetryPolicy.this, first);
    }

    Outcome run() throws LaunchException, InterruptedException {
      while (true) {
        number++;
        Outcome outcome;
        try {
          outcome = runner.run(attempts.limits()).withEarlierAttempts(earlier);
        } catch (LaunchException e) {
          giveUpUnlessWorthAnotherTry(e);
          continue;
        }
        boolean again = attempts.goOnAfter(outcome);
        tell(
            new Attempt(number, Optional.of(outcome), Optional.empty(), attempts.limits(), !again));
        if (!again) {
          return outcome;
        }
        earlier.add(outcome.withEarlierAttempts(List.of())); // each is told of once
      }
    }

    private void tell(Attempt attempt) {
      try {
        listener.accept(attempt);
      } catch (RuntimeException | Error e) {
        observer.accept(attempt.asLast());
        throw e;
      }
      observer.accept(attempt);
    }

    private void giveUpUnlessWorthAnotherTry(LaunchException e) throws LaunchException {
      boolean again = attempts.goOnAfter(e);
      tell(new Attempt(number, Optional.empty(), Optional.of(e), attempts.limits(), !again));
      if (again) {
        refusedLaunches.add(e);
        return;
      }
      earlier.forEach(outcome -> e.addSuppressed(outcome.toException()));
      refusedLaunches.forEach(e::addSuppressed);
      throw e;
    }
  }

  int maxAttempts() {
    return maxAttempts;
  }

  int otherAttempts() {
    return otherAttempts;
  }

  double factor() {
    return factor;
  }

  long ceiling() {
    return ceiling;
  }

  private static int atLeastOne(String what, int attempts) {
    if (attempts < 1) {
      throw new IllegalArgumentException(
          what + " " + attempts + " is out of range; allowed is 1 or more");
    }
    return attempts;
  }
}
