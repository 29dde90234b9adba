package io.memguard.limits;

import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * Chooses whom the head-room guard ends when the container is about to run out of memory: one child
 * at a time, and the next only when nothing of the last one is left, or after 10 seconds.
 *
 * <p>It is called while memory runs out, so it has to answer at once and from what it is given. One
 * that fails, or has not answered after {@value #PATIENCE_MILLIS} milliseconds, is logged, and the
 * {@linkplain #standard standard policy} decides in its place; so it does until a policy that was
 * given up has answered after all. One that always chooses nobody makes a guard that only tells its
 * listener.
 *
 * <p>It is called on a thread {@code memguard-elsewhere}, by each guard never twice at once: one
 * for several guards has to be safe to share between threads.
 */
@FunctionalInterface
public interface VictimPolicy {
  /** For so long a policy may think. */
  int PATIENCE_MILLIS = 10;

  /**
   * Chooses one.
   *
   * @param candidates the children that may be ended and hold memory worth the while, largest
   *     first; at least one. If some hold what is lacking, only those
   * @return one of them, or empty to have none ended now: the kernel may then have to choose
   */
  Optional<Candidate> choose(List<Candidate> candidates);

  /**
   * Returns what is done where nothing is said: those that hold less than a quarter of what the
   * largest holds are left alone, unless they are over their own limit. Of the others: first who is
   * over its own limit, then who will be {@linkplain LaunchOptions#withRetryable tried again}, then
   * who was started last, then who holds most.
   *
   * @return the policy
   */
  static VictimPolicy standard() {
    return StandardVictimPolicy.POLICY;
  }

  /**
   * A child that may be ended.
   *
   * @param pid which one
   * @param limits what it was started with
   * @param bytes what it and its descendants have resident, 0 or more; what several of them share
   *     counts for each: to tell it apart takes longer than there is time
   * @param processes how many they are, the child included: 1 or more
   * @param age since its launch
   * @param retryable true if it will be tried again
   */
  record Candidate(
      long pid, MemoryLimits limits, long bytes, int processes, Duration age, boolean retryable) {
    /**
     * Checks the values.
     *
     * @param pid which one
     * @param limits what it was started with
     * @param bytes what it and its descendants hold, 0 or more
     * @param processes how many they are, the child included
     * @param age since its launch
     * @param retryable true if it will be tried again
     */
    public Candidate {
      Objects.requireNonNull(limits, "limits");
      Objects.requireNonNull(age, "age");
    }

    /**
     * Tells whether it holds more than it was to have, as {@link #bytes} counts.
     *
     * @return true if it is over the amount it was started with; false if it has none
     */
    public boolean overItsLimit() {
      OptionalLong tree = limits.treeMemory();
      OptionalLong limit = tree.isPresent() ? tree : limits.memory();
      return limit.isPresent() && bytes > limit.getAsLong();
    }
  }
}
