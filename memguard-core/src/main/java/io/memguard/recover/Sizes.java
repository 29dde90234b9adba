package io.memguard.recover;

import io.memguard.limits.LaunchOptions.Budget;
import io.memguard.limits.MemoryLimits;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * The sizes that the workers of a pool have: the first, and each larger one as much larger as the
 * policy has a limit grow, up to the ceiling. Tasks that need more than they had share them, so
 * that one larger worker can serve several.
 *
 * @param first of the workers that tasks get at first
 * @param factor 1 or more
 * @param ceiling the largest, in bytes
 */
record Sizes(MemoryLimits first, double factor, long ceiling) {
  /** Sizes that are closer together are not worth sharing. */
  private static final double LEAST_FACTOR = 1.05;

  /**
   * Returns the sizes of a pool.
   *
   * @throws IllegalArgumentException if the first workers together do not fit into their budget
   */
  static Sizes of(MemoryLimits first, PoolOptions options) {
    RetryPolicy retry = options.retry();
    Optional<MemoryBudget> budget =
        options.launch().budget().map(Budget::source).flatMap(Sizes::known);
    long ceiling = retry.ceiling();
    if (budget.isPresent() && first.memory().isPresent()) {
      long capacity = budget.get().capacity();
      long each = first.treeMemory().orElse(first.memory().getAsLong());
      if (each > capacity / options.workers()) {
        throw new IllegalArgumentException(
            options.workers()
                + " workers of "
                + each
                + " bytes each do not fit into a budget of "
                + capacity
                + " bytes; take fewer, or smaller ones");
      }
      double share = (double) first.memory().getAsLong() / each;
      ceiling = Math.min(ceiling, (long) (capacity * Math.min(1, share)));
    }
    return new Sizes(first, retry.factor(), ceiling);
  }

  private static Optional<MemoryBudget> known(Object source) {
    return source instanceof MemoryBudget budget ? Optional.of(budget) : Optional.empty();
  }

  /** Returns the size of limits: what they say of memory, 0 for nothing. */
  static long of(MemoryLimits limits) {
    return limits.memory().orElse(0);
  }

  /** Returns the smallest of the sizes that is enough, or the largest. */
  MemoryLimits enoughFor(OptionalLong bytes) {
    if (first.memory().isEmpty() || bytes.isEmpty() || bytes.getAsLong() <= of(first)) {
      return first;
    }
    double size = of(first);
    while (factor >= LEAST_FACTOR && size < bytes.getAsLong()) {
      size *= factor;
    }
    long rounded = factor >= LEAST_FACTOR ? (long) size : bytes.getAsLong();
    return first.withMemory(Math.min(rounded, Math.max(ceiling, of(first))));
  }
}
