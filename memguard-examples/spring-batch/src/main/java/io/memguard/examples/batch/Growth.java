package io.memguard.examples.batch;

import io.memguard.limits.MemorySize;
import io.memguard.outcome.Outcome;
import java.util.OptionalLong;

/**
 * Says how much memory the next attempt gets. Spring Batch decides whether there is one.
 *
 * @param firstBytes what the first attempt gets
 * @param ceilingBytes the most that any gets
 */
public record Growth(long firstBytes, long ceilingBytes) {
  private static final int FACTOR = 2;

  /**
   * Reads the sizes.
   *
   * @param first for example {@code "64MiB"}
   * @param ceiling for example {@code "1GiB"}
   * @return the growth
   * @throws IllegalArgumentException if one is no amount of memory
   */
  public static Growth of(String first, String ceiling) {
    return new Growth(MemorySize.parse(first), MemorySize.parse(ceiling));
  }

  /**
   * Returns a larger limit, if that can help.
   *
   * @param outcome how the last attempt ended
   * @param had the limit it had
   * @return bytes, or empty if it had the most already, or the reason was none of its own limits
   */
  OptionalLong next(Outcome.OutOfMemory outcome, long had) {
    boolean helps =
        switch (outcome.cause()) {
          case ALLOCATION_DENIED, LIMIT_TOO_LOW, OWN_CGROUP -> true;
          case RUNTIME_HEAP -> outcome.evidence().heapFollowsLimit();
          case CONTAINER, HOST, PREEMPTED -> false;
        };
    if (!helps || had >= ceilingBytes) {
      return OptionalLong.empty();
    }
    long wanted = Math.max(had * FACTOR, outcome.suggestedLimitBytes().orElse(0));
    return OptionalLong.of(Math.min(wanted, ceilingBytes));
  }
}
