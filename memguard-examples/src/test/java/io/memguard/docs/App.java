package io.memguard.docs;

import io.memguard.MemoryGuard;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.recover.PoolOptions;
import io.memguard.recover.RetryPolicy;
import io.memguard.recover.WorkerPool;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ExecutionException;

/** The {@code app.jar} of docs/events.md: an application whose children end in several ways. */
final class App {
  private static final MemoryLimits LIMITS = MemoryLimits.of("64MiB");
  private static final RetryPolicy TWICE =
      RetryPolicy.onOutOfMemory().maxAttempts(2).growBy(2).upTo("128MiB");

  private App() {}

  /**
   * Runs them.
   *
   * @param arguments none
   */
  public static void main(String[] arguments) throws Exception {
    try (MemoryGuard guard = MemoryGuard.create()) {
      ProcessBuilder stepwise = python("held = [bytearray(30 << 20) for _ in range(9)]");
      guard.run(stepwise, LIMITS, named("thumbnails"), TWICE);
      guard.run(
          python("held = bytearray(600 << 20); input()"),
          LIMITS.with(Protection.RLIMIT_DATA, Requirement.OFF),
          named("import"));
      guard.run(new ProcessBuilder("sh", "-c", "exit 3"), LIMITS);
      PoolOptions one = PoolOptions.workers(1).withRetry(TWICE).withLaunch(named("pool-worker"));
      ProcessBuilder worker =
          python(
              "import memguard_worker; memguard_worker.serve(lambda mib: bytes(int(mib) << 20))");
      try (WorkerPool pool = guard.pool(worker, LIMITS, one)) {
        pool.submit("600".getBytes(StandardCharsets.UTF_8)).get();
      } catch (ExecutionException e) {
        return; // the log has it
      }
    }
    throw new AssertionError("there was room for all of it");
  }

  private static ProcessBuilder python(String program) {
    return new ProcessBuilder("python3", "-c", program);
  }

  private static LaunchOptions named(String name) {
    return LaunchOptions.defaults().withName(name);
  }
}
