package io.memguard.examples.images;

import io.memguard.recover.TaskErrorException;
import io.memguard.recover.TaskQuarantinedException;
import io.memguard.recover.WorkerPool;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;

/**
 * All pictures through a pool, whatever its workers are.
 *
 * @param pictures each is a task
 * @param record is kept while the pool works
 */
record Batch(List<Path> pictures, MemoryRecord record) {
  Summary run(WorkerPool pool) throws InterruptedException {
    long began = System.nanoTime();
    List<CompletableFuture<byte[]>> thumbnails = new ArrayList<>();
    Progress progress = Progress.of(pictures.size());
    MemoryRecord.Sampling sampling = record.sample(pool);
    try (sampling;
        progress;
        pool) {
      for (Path picture : pictures) {
        byte[] task = picture.toString().getBytes(StandardCharsets.UTF_8);
        CompletableFuture<byte[]> thumbnail = pool.submit(task); // waits while the queue is full
        thumbnails.add(thumbnail.whenComplete((size, trouble) -> progress.step()));
      }
      for (CompletableFuture<byte[]> thumbnail : thumbnails) {
        thumbnail.handle((size, trouble) -> 0).join();
      }
    }
    return summary(thumbnails, pool.statistics(), Duration.ofNanos(System.nanoTime() - began));
  }

  private Summary summary(
      List<CompletableFuture<byte[]>> thumbnails, WorkerPool.Statistics statistics, Duration took)
      throws InterruptedException {
    Map<Path, TaskQuarantinedException> quarantined = new LinkedHashMap<>();
    Map<Path, TaskErrorException> errors = new LinkedHashMap<>();
    for (int i = 0; i < thumbnails.size(); i++) {
      try {
        thumbnails.get(i).get();
      } catch (ExecutionException e) {
        if (e.getCause() instanceof TaskQuarantinedException why) {
          quarantined.put(pictures.get(i), why);
        } else if (e.getCause() instanceof TaskErrorException why) {
          errors.put(pictures.get(i), why);
        } else {
          throw new IllegalStateException("the pool has failed", e.getCause());
        }
      }
    }
    return new Summary(
        statistics, record.larger(), quarantined, errors, took, record.peak(), record.peakOfAll());
  }
}
