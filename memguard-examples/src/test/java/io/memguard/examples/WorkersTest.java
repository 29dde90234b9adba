package io.memguard.examples;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.memguard.MemoryGuard;
import io.memguard.examples.workers.WordCount;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.RuntimeTuning;
import io.memguard.outcome.RuntimeHeapExhaustedException;
import io.memguard.recover.PoolOptions;
import io.memguard.recover.RetryPolicy;
import io.memguard.recover.TaskErrorException;
import io.memguard.recover.WorkerPool;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;

/** The kits' workers, in a pool; the Python one has a test of its own in core. */
class WorkersTest {
  @Test
  void aJvmIsAWorker() throws Exception {
    try (MemoryGuard guard = MemoryGuard.create();
        WorkerPool pool = pool(guard, RetryPolicy.never())) {
      CompletableFuture<byte[]> two = ask(pool, "two words");
      assertThat(two.get()).isEqualTo("2".getBytes(StandardCharsets.UTF_8));
      assertThatThrownBy(ask(pool, " ")::get)
          .cause()
          .isInstanceOf(TaskErrorException.class)
          .hasMessageContaining("there are no words");
      assertThatThrownBy(ask(pool, "repeat 30000000")::get)
          .rootCause()
          .isInstanceOf(RuntimeHeapExhaustedException.class);
      assertThat(ask(pool, "one two three").get()).isEqualTo("3".getBytes(StandardCharsets.UTF_8));
    }
  }

  @Test
  void aLargerWorkerHasALargerHeap() throws Exception {
    RetryPolicy retry = RetryPolicy.onOutOfMemory().growBy(4).upTo("2GiB");
    try (MemoryGuard guard = MemoryGuard.create();
        WorkerPool pool = pool(guard, retry)) {
      assertThat(ask(pool, "repeat 1500000").get())
          .isEqualTo("3000000".getBytes(StandardCharsets.UTF_8));
      assertThat(pool.statistics().retried()).isPositive();
    }
  }

  private static WorkerPool pool(MemoryGuard guard, RetryPolicy retry) {
    ProcessBuilder worker =
        new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-XX:+ExitOnOutOfMemoryError",
            "-XX:+DisplayVMOutputToStderr",
            "-XX:+UseSerialGC",
            "-cp",
            System.getProperty("java.class.path"),
            WordCount.class.getName());
    LaunchOptions tuned = LaunchOptions.defaults().withTuning(RuntimeTuning.auto());
    return guard.pool(
        worker,
        MemoryLimits.of("192MiB"),
        PoolOptions.workers(1).withRetry(retry).withLaunch(tuned));
  }

  private static CompletableFuture<byte[]> ask(WorkerPool pool, String text)
      throws InterruptedException {
    return pool.submit(text.getBytes(StandardCharsets.UTF_8));
  }
}
