package io.memguard.lab;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.memguard.MemoryGuard;
import io.memguard.limits.GuardOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.ChildOutOfMemoryException;
import io.memguard.recover.PoolOptions;
import io.memguard.recover.RetryPolicy;
import io.memguard.recover.TaskQuarantinedException;
import io.memguard.recover.WorkerPool;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;

/**
 * A supervisor with a worker pool for containers of the lab: some of its tasks are bombs, and one
 * worker is killed from outside. Says what became of the tasks. Its arguments: the worker's script;
 * {@code guarded}, or {@code unlimited} for the same without limits and without the head-room
 * guard.
 */
final class PoolSupervisor {
  private static final int TASKS = 60;
  private static final int BOMBS_EACH = 10;

  private PoolSupervisor() {}

  public static void main(String[] arguments) throws Exception {
    System.out.println("supervisor up");
    boolean guarded = arguments[1].equals("guarded");
    GuardOptions options =
        guarded
            ? GuardOptions.defaults()
            : GuardOptions.defaults().withHeadroomGuard(GuardOptions.HeadroomGuard.OFF);
    PoolOptions pools =
        PoolOptions.workers(3)
            .withRetry(RetryPolicy.onOutOfMemory().upTo("48MiB").otherFailures(5));
    try (MemoryGuard guard = MemoryGuard.create(options);
        WorkerPool pool =
            guard.pool(
                new ProcessBuilder("perl", arguments[0]),
                guarded ? MemoryLimits.of("24MiB") : MemoryLimits.none(),
                pools)) {
      run(pool);
    }
    System.out.println("left: " + ProcessHandle.current().descendants().count());
  }

  private static void run(WorkerPool pool) throws InterruptedException {
    List<CompletableFuture<byte[]>> results = new ArrayList<>();
    for (int i = 0; i < TASKS; i++) {
      results.add(pool.submit(task(i).getBytes(UTF_8)));
      if (i == TASKS / 2) {
        pool.workers().stream()
            .findFirst()
            .flatMap(worker -> ProcessHandle.of(worker.pid()))
            .ifPresent(ProcessHandle::destroyForcibly);
      }
    }
    Map<String, Integer> became = new TreeMap<>();
    for (int i = 0; i < TASKS; i++) {
      became.merge(kind(i) + ": " + end(i, results.get(i)), 1, Integer::sum);
    }
    became.forEach((what, times) -> System.out.println(what + ": " + times));
  }

  private static String task(int number) {
    return kind(number).equals("honest") ? "work " + number : kind(number);
  }

  private static String kind(int number) {
    if (number % BOMBS_EACH != 7) {
      return "honest";
    }
    return number / BOMBS_EACH % 2 == 0 ? "huge" : "grow";
  }

  private static String end(int number, CompletableFuture<byte[]> result)
      throws InterruptedException {
    try {
      return new String(result.get(), UTF_8).equals(sum(task(number))) ? "right" : "wrong";
    } catch (ExecutionException e) {
      return e.getCause() instanceof TaskQuarantinedException reason
              && reason.getCause() instanceof ChildOutOfMemoryException memory
          ? "quarantined for " + memory.outcome().cause()
          : String.valueOf(e.getCause());
    }
  }

  private static String sum(String task) {
    int sum = 0;
    for (byte letter : task.repeat(200).getBytes(UTF_8)) {
      sum = (sum * 31 + letter) % 65521;
    }
    return Integer.toString(sum);
  }
}
