package io.memguard.benchmarks;

import io.memguard.MemoryGuard;
import io.memguard.launch.LaunchException;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.outcome.Outcome;
import io.memguard.recover.RetryPolicy;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/**
 * How many attempts jobs of known need take, with and without the limit that an outcome suggests;
 * {@code benchmarks/retries} calls it.
 */
public final class Retries {
  private static final long MIB = 1 << 20;
  private static final long FIRST = 32 * MIB;
  private static final long MOST = 4096 * MIB;
  private static final int ATTEMPTS = 20;
  private static final int PRECISION = 50;
  private static final RetryPolicy POLICY =
      RetryPolicy.onOutOfMemory().maxAttempts(ATTEMPTS).upTo(MOST);

  private final MemoryGuard guard;

  /** What the next limit goes by. */
  private enum Way {
    BLIND("twice as much", 2),
    GUIDED("twice, or what is suggested", 2),
    SUGGESTED("what is suggested", 1);

    private final String label;
    private final double growth;

    Way(String label, double growth) {
      this.label = label;
      this.growth = growth;
    }
  }

  private record Result(int attempts, long millis, double share, double excess) {
    static final Result NONE = new Result(0, 0, 0, 0);

    Result plus(Result other) {
      return new Result(
          attempts + other.attempts,
          millis + other.millis,
          share + other.share,
          Math.max(excess, other.excess));
    }
  }

  private Retries(MemoryGuard guard) {
    this.guard = guard;
  }

  /** Runs them all, and exits with 1 if the suggestions do not help. */
  public static void main(String[] none) throws Exception {
    int saved;
    try (MemoryGuard guard = MemoryGuard.create()) {
      saved = new Retries(guard).table();
    }
    System.exit(saved > 0 ? 0 : 1);
  }

  /** Returns how many attempts fewer the suggestions needed. */
  private int table() throws LaunchException, InterruptedException {
    System.out.println(
        "attempts, and the last limit as a multiple of the need; first limit 32 MiB");
    print("job", "need", List.of("blind", "guided", "suggested alone"));
    Map<Way, Result> sums = new EnumMap<>(Way.class);
    int jobs = 0;
    for (RetryJobs job : RetryJobs.all()) {
      long need = need(job);
      List<String> cells = new ArrayList<>();
      for (Way way : Way.values()) {
        Result result = run(job, way, need);
        sums.merge(way, result, Result::plus);
        cells.add(String.format(Locale.ROOT, "%2d %5.2f", result.attempts, result.share));
      }
      print(job.name(), need / MIB + " MiB", cells);
      jobs++;
    }
    for (Way way : Way.values()) {
      Result sum = sums.getOrDefault(way, Result.NONE);
      System.out.println(
          String.format(
              Locale.ROOT,
              "%s: %d attempts for %d jobs, %.1f s, last limit %.2f times the need on average,"
                  + " %.2f at most",
              way.label,
              sum.attempts,
              jobs,
              sum.millis / (double) TimeUnit.SECONDS.toMillis(1),
              sum.share / jobs,
              sum.excess));
    }
    return sums.getOrDefault(Way.BLIND, Result.NONE).attempts
        - sums.getOrDefault(Way.GUIDED, Result.NONE).attempts;
  }

  private static void print(String job, String need, List<String> cells) {
    System.out.println(
        String.format(Locale.ROOT, "%-18s %9s", job, need)
            + cells.stream().map(cell -> "   " + cell).collect(Collectors.joining()));
  }

  /** The smallest limit under which it ends well, in whole MiB and to two percent. */
  private long need(RetryJobs job) throws LaunchException, InterruptedException {
    long enough = FIRST / MIB;
    while (!endsWell(job, enough)) {
      enough *= 2;
    }
    long tooLow = enough / 2;
    while (enough - tooLow > Math.max(1, enough / PRECISION)) {
      long middle = (tooLow + enough) / 2;
      if (endsWell(job, middle)) {
        enough = middle;
      } else {
        tooLow = middle;
      }
    }
    return enough * MIB;
  }

  private boolean endsWell(RetryJobs job, long mebibytes)
      throws LaunchException, InterruptedException {
    if (mebibytes * MIB > MOST) {
      throw new IllegalStateException(job.name() + " does not end well with any limit");
    }
    return guard.run(job.command(), limit(mebibytes * MIB)).isSuccess();
  }

  private Result run(RetryJobs job, Way way, long need)
      throws LaunchException, InterruptedException {
    long began = System.nanoTime();
    Outcome outcome =
        POLICY
            .growBy(way.growth)
            .execute(
                limit(FIRST),
                limits -> {
                  Outcome attempt = guard.run(job.command(), limits);
                  return way == Way.BLIND ? unguided(attempt) : attempt;
                });
    long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began);
    if (!outcome.isSuccess()) {
      throw new IllegalStateException(job.name() + ": " + outcome.explanation());
    }
    double share = (double) outcome.evidence().limitBytes().orElseThrow() / need;
    return new Result(outcome.earlierAttempts().size() + 1, millis, share, share);
  }

  private static Outcome unguided(Outcome outcome) {
    return outcome instanceof Outcome.OutOfMemory memory
        ? new Outcome.OutOfMemory(
            memory.cause(),
            memory.confidence(),
            memory.refusedBytes(),
            OptionalLong.empty(),
            memory.hung(),
            memory.explanation(),
            memory.evidence())
        : outcome;
  }

  /** For each process alone. */
  private static MemoryLimits limit(long bytes) {
    return MemoryLimits.of(bytes).with(Protection.TREE_WATCH, Requirement.OFF);
  }
}
