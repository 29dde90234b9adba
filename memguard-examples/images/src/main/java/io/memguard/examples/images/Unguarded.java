package io.memguard.examples.images;

import io.memguard.limits.MemoryLimits;
import io.memguard.recover.PoolOptions;
import io.memguard.recover.RetryPolicy;
import io.memguard.recover.WorkerPool;
import java.io.IOException;

/**
 * The batch as it is written today: the same pool, but its workers are plain processes, each of
 * which may use what it likes.
 */
public final class Unguarded {
  private static final int WORKERS = 4;

  private Unguarded() {}

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
            .withRetry(RetryPolicy.never().otherFailures(2))
            .withListener(record);
    WorkerPool pool =
        WorkerPool.open(limits -> PlainWorker.start(given.worker()), MemoryLimits.none(), options);
    Summary summary = new Batch(given.pictures(), record).run(pool);
    if (given.output().isPresent()) {
      MemoryPlot.of("Without memguard", record)
          .save(given.output().get().resolve("memory-without"));
    }
    return summary;
  }
}
