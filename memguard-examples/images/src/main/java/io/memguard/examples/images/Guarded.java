package io.memguard.examples.images;

import io.memguard.MemoryGuard;
import io.memguard.limits.GuardOptions;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.recover.MemoryBudget;
import io.memguard.recover.PoolOptions;
import io.memguard.recover.RetryPolicy;
import java.io.IOException;
import java.nio.file.Path;

/**
 * The batch with memguard: four workers, each with what a usual picture needs. A picture that needs
 * more gets a larger worker, and is set aside when that is not enough either.
 */
public final class Guarded {
  private static final int WORKERS = 4;
  private static final String USUAL = "64MiB";
  private static final String LARGER = "256MiB";
  private static final int LARGER_BY = 4;

  /** For all workers together: while a larger one works, there are fewer of the others. */
  private static final String ALL = "384MiB";

  private static final String RESERVE = "24MiB";

  private Guarded() {}

  /**
   * Makes thumbnails of all pictures in a folder.
   *
   * @param arguments thumbnail.py, the folder, and, if the thumbnails and a plot are to be kept,
   *     where
   * @throws Exception if files cannot be read or written, or the workers not be started
   */
  public static void main(String[] arguments) throws Exception {
    Arguments given = Arguments.of(arguments);
    Summary summary = run(given);
    summary.print(System.out);
  }

  static Summary run(Arguments given) throws IOException, InterruptedException {
    MemoryRecord record = new MemoryRecord();
    PoolOptions options =
        PoolOptions.workers(WORKERS)
            .withRetry(RetryPolicy.onOutOfMemory().growBy(LARGER_BY).upTo(LARGER).otherFailures(2))
            .withLaunch(LaunchOptions.defaults().withBudget(MemoryBudget.of(ALL)))
            .withListener(record);
    Batch batch = new Batch(given.pictures(), record);
    Summary summary;
    try (MemoryGuard guard = MemoryGuard.create(GuardOptions.defaults().withReserve(RESERVE))) {
      summary = batch.run(guard.pool(given.worker(), MemoryLimits.of(USUAL), options));
    }
    if (given.output().isPresent()) {
      Path plot = given.output().get().resolve("memory");
      MemoryPlot.of("With memguard", record, USUAL, LARGER).save(plot);
    }
    return summary;
  }
}
