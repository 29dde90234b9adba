package io.memguard.examples.images;

import io.memguard.limits.MemorySize;
import io.memguard.outcome.Outcome;
import io.memguard.recover.TaskAttempt;
import io.memguard.recover.TaskErrorException;
import io.memguard.recover.TaskQuarantinedException;
import io.memguard.recover.WorkerPool;
import java.io.PrintStream;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.TreeMap;

/**
 * What became of the batch.
 *
 * @param statistics the pool's own
 * @param larger pictures that were tried again on a larger worker
 * @param quarantined those that no worker could open
 * @param errors those that are no pictures
 * @param took the whole batch
 * @param peak the most that was seen of one worker, in bytes
 * @param peakOfAll the most that was seen of all workers together, in bytes
 */
record Summary(
    WorkerPool.Statistics statistics,
    long larger,
    Map<Path, TaskQuarantinedException> quarantined,
    Map<Path, TaskErrorException> errors,
    Duration took,
    long peak,
    long peakOfAll) {
  private static final int SHOWN = 4;
  private static final double MILLIS = 1e3;

  void print(PrintStream out) {
    double seconds = took.toMillis() / MILLIS;
    long all = statistics.done() + statistics.errors() + statistics.quarantined();
    out.printf("%d thumbnails made of %d pictures%n", statistics.done(), all);
    out.printf("%d tried on a larger worker%n", larger);
    out.printf("%d set aside, %d no pictures%n", quarantined.size(), errors.size());
    quarantined.entrySet().stream().limit(SHOWN).forEach(e -> tell(out, e.getKey(), e.getValue()));
    if (quarantined.size() > SHOWN) {
      out.printf("  ... and %d more%n", quarantined.size() - SHOWN);
    }
    causes().forEach((why, count) -> out.printf("%d attempts ended: %s%n", count, why));
    out.printf("%.1f s, %.0f pictures/s%n", seconds, all / seconds);
    out.printf("%d workers started%n", statistics.workersStarted());
    out.printf("peak seen: %d MiB in one worker, %d MiB in all%n", peak >> 20, peakOfAll >> 20);
  }

  private static void tell(PrintStream out, Path picture, TaskQuarantinedException why) {
    TaskAttempt last = why.attempts().get(why.attempts().size() - 1);
    out.printf("  %s: %s%n", picture.getFileName(), reason(last));
  }

  /** How the attempts ended at pictures that were set aside, and how often. */
  Map<String, Integer> causes() {
    Map<String, Integer> counts = new TreeMap<>();
    quarantined.values().stream()
        .flatMap(why -> why.attempts().stream())
        .forEach(attempt -> counts.merge(reason(attempt), 1, Integer::sum));
    return counts;
  }

  private static String reason(TaskAttempt attempt) {
    if (attempt.outcome() instanceof Outcome.OutOfMemory end && end.limitBytes().isPresent()) {
      return end.cause() + " at " + MemorySize.format(end.limitBytes().getAsLong());
    }
    return attempt.failure().toString();
  }
}
