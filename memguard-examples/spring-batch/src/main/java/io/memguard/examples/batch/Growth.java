package io.memguard.examples.batch;

import io.memguard.limits.MemoryLimits;
import io.memguard.limits.MemorySize;
import io.memguard.outcome.Outcome;
import io.memguard.recover.RetryPolicy;
import java.util.OptionalLong;

/**
 * Says how much memory the next attempt gets. Spring Batch decides whether there is one.
 *
 * @param firstBytes what the first attempt gets
 * @param ceilingBytes the most that any gets
 */
public record Growth(long firstBytes, long ceilingBytes) {
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
    return RetryPolicy.onOutOfMemory()
        .upTo(ceilingBytes)
        .nextLimits(MemoryLimits.of(had), outcome)
        .stream()
        .mapToLong(next -> next.memory().orElse(had))
        .filter(next -> next > had)
        .findFirst();
  }
}
