package io.memguard.lab;

import io.memguard.MemoryGuard;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import java.util.Arrays;
import java.util.concurrent.Callable;

/**
 * What a cgroup for each child costs: {@code /bin/true} from launch to exit by {@link
 * ProcessBuilder}, guarded, and guarded with a leaf, which is made and removed, in turns. Prints
 * the medians and what the leaf adds, as a part of what {@code ProcessBuilder} takes.
 *
 * <p>Arguments: how many turns, and the largest part allowed. Fails if it is more.
 */
final class LeafCost {
  private static final ProcessBuilder TRUE = new ProcessBuilder("/bin/true");

  private LeafCost() {}

  public static void main(String[] arguments) throws Exception {
    int turns = Integer.parseInt(arguments[0]);
    MemoryLimits plain = MemoryLimits.of("64MiB");
    MemoryLimits leaf = plain.with(Protection.CGROUP_LEAF, Requirement.REQUIRE);
    try (MemoryGuard guard = MemoryGuard.create()) {
      long[] unguarded = new long[turns];
      long[] guarded = new long[turns];
      long[] inLeaf = new long[turns];
      for (int turn = -turns; turn < turns; turn++) { // the first half is for the compiler
        int at = Math.max(turn, 0);
        unguarded[at] = time(() -> TRUE.start().waitFor());
        guarded[at] = time(() -> guard.run(TRUE, plain));
        inLeaf[at] = time(() -> guard.run(TRUE, leaf));
      }
      double base = median(unguarded);
      double added = (median(inLeaf) - median(guarded)) / base;
      System.out.printf(
          "ProcessBuilder %.0f us, guarded %.0f us, with a leaf %.0f us: a leaf adds %.2f x"
              + " ProcessBuilder%n",
          base, median(guarded), median(inLeaf), added);
      if (added > Double.parseDouble(arguments[1])) {
        System.out.println("that is more than " + arguments[1]);
        System.exit(1);
      }
    }
  }

  private static long time(Callable<?> launch) throws Exception {
    long start = System.nanoTime();
    launch.call();
    return System.nanoTime() - start;
  }

  /** Returns microseconds. */
  private static double median(long[] nanos) {
    long[] sorted = nanos.clone();
    Arrays.sort(sorted);
    return sorted[sorted.length / 2] / 1e3;
  }
}
