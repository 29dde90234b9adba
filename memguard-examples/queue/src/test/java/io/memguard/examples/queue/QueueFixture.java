package io.memguard.examples.queue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.memguard.MemoryGuard;
import io.memguard.recover.MemoryBudget;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** A real Redis server with an empty queue for each test. */
abstract class QueueFixture {
  static final Path SCRIPT = Path.of("src/main/jobs/job.py").toAbsolutePath();
  static final Duration MIN_IDLE = Duration.ofSeconds(1);
  static final Policy POLICY = Policy.withCeiling("256MiB").withMinIdle(MIN_IDLE);
  private static final Duration DEADLINE = Duration.ofMinutes(3);

  @TempDir Path directory;
  MemoryGuard guard;
  RedisServer server;
  JobQueue queue;

  @BeforeAll
  static void needsRedis() {
    boolean there =
        Stream.of(System.getenv("PATH").split(":"))
            .anyMatch(folder -> Files.isExecutable(Path.of(folder, "redis-server")));
    if ("1".equals(System.getenv("MEMGUARD_MUST_WORK"))) {
      assertThat(there).as("redis-server is installed").isTrue();
    }
    assumeTrue(there, "redis-server is not installed");
  }

  @BeforeEach
  void startServer() throws Exception {
    guard = MemoryGuard.create();
    server = new RedisServer(guard, directory);
    queue = new JobQueue(server.uri());
  }

  @AfterEach
  void stopServer() {
    if (queue != null) {
      queue.close();
    }
    if (server != null) {
      server.close();
    }
    guard.close();
  }

  /** A consumer in this JVM, with a connection of its own. */
  Consumer consumer(String name, int parallel) {
    return consumer(name, parallel, MIN_IDLE);
  }

  Consumer consumer(String name, int parallel, Duration minIdle) {
    return new Consumer(
        new JobQueue(server.uri()),
        name,
        POLICY.withMinIdle(minIdle),
        parallel,
        MemoryBudget.of("512MiB"));
  }

  static Job python(String id, String code) {
    return Job.of(id, List.of("python3", "-c", code), "32MiB");
  }

  static void await(String what, Callable<Boolean> condition) throws Exception {
    long deadline = System.nanoTime() + DEADLINE.toNanos();
    while (!condition.call()) {
      assertThat(System.nanoTime()).as("waited in vain for: %s", what).isLessThan(deadline);
      Thread.sleep(20);
    }
  }

  void awaitEmpty() throws Exception {
    await("an empty queue", () -> queue.backlog().messages() == 0);
  }
}
