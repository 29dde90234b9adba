package io.memguard.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.GuardedProcess;
import io.memguard.MemoryGuard;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.outcome.MemoryEvent;
import io.memguard.outcome.MemoryEvent.Kind;
import io.memguard.outcome.Outcome;
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * A real Celery with two workers, and the tasks of {@code docs/foreign-pools.md}: a greedy task
 * fails in its worker, and nobody else notices.
 */
@Timeout(300)
class CeleryTest {
  private static final Path PAGE = Path.of("..", "docs", "foreign-pools.md");
  private static final long MIB = 1 << 20;
  private static final List<String> CELERY =
      List.of("celery", "-A", "tasks", "worker", "--concurrency", "2", "--loglevel", "warning");

  @TempDir Path directory;
  private Redis redis;
  private List<String> environment;

  @BeforeEach
  void startServer() throws Exception {
    ForeignPool.require("celery", "redis-server", "python3");
    redis = new Redis(directory);
    String url = "redis+socket://" + redis.socket();
    environment = List.of("CELERY_BROKER_URL=" + url, "CELERY_RESULT_BACKEND=" + url);
    Files.writeString(directory.resolve("tasks.py"), block("python"));
    ForeignPool.copy(directory, "celery_client.py");
  }

  @AfterEach
  void endServer() throws Exception {
    if (redis != null) {
      redis.close();
    }
  }

  /** As the page has it, word for word but for the pid and the path of celery. */
  @Test
  void aGreedyTaskFailsInItsWorkerAlone() throws Exception {
    try (ForeignPool pool = pool()) {
      ProcessHandle supervisor = pool.supervisorOf(2);
      List<Long> workers = ForeignPool.workersOf(supervisor);
      for (long worker : workers) {
        assertThat(ForeignPool.dataLimit(worker)).isEqualTo(256 * MIB);
        awaitFirst(worker);
      }
      assertThat(score(supervisor.pid())).isLessThan(1000).isGreaterThan(0);

      assertThat(client("greedy")).containsExactly("greedy MemoryError", "honest 380");

      String line = pool.line(" was refused ");
      long refused = Long.parseLong(line.split(" ", 4)[2]);
      assertThat(workers).contains(refused);
      assertThat(line.replace("process " + refused, "process 18379"))
          .isEqualTo(block("text").lines().findFirst().orElseThrow());
      assertThat(pool.lines()).hasSize(1);
      assertThat(supervisor.isAlive()).isTrue();
      assertThat(ForeignPool.workersOf(supervisor)).isEqualTo(workers);
      assertThat(pool.end()).isZero();
    }
  }

  @Test
  void aWorkerThatIsKilledIsReplaced() throws Exception {
    try (ForeignPool pool = pool()) {
      ProcessHandle supervisor = pool.supervisorOf(2);
      List<Long> workers = ForeignPool.workersOf(supervisor);
      assertThat(client()).containsExactly("honest 380"); // before, nobody looks after workers
      ProcessHandle.of(workers.get(0)).orElseThrow().destroyForcibly();
      Waiting.until(
          "there is another worker",
          () -> {
            List<Long> now = ForeignPool.workersOf(supervisor);
            return now.size() == 2 && !now.contains(workers.get(0));
          });
      List<Long> now = ForeignPool.workersOf(supervisor);
      assertThat(now).contains(workers.get(1));
      for (long worker : now) {
        assertThat(ForeignPool.dataLimit(worker)).isEqualTo(256 * MIB);
        awaitFirst(worker);
      }
      assertThat(client()).containsExactly("honest 380");
      assertThat(pool.lines()).isEmpty();
      assertThat(pool.end()).isZero();
    }
  }

  @Test
  void theApiTellsTheListener() throws Exception {
    BlockingQueue<MemoryEvent> told = new LinkedBlockingQueue<>();
    ProcessBuilder job = new ProcessBuilder(CELERY).directory(directory.toFile());
    environment.forEach(one -> job.environment().put(one.split("=", 2)[0], one.split("=", 2)[1]));
    job.environment().put("PATH", ForeignPool.PATH);
    job.redirectInput(new File("/dev/null"))
        .redirectErrorStream(true)
        .redirectOutput(directory.resolve("out").toFile());
    MemoryLimits limits =
        MemoryLimits.of("256MiB")
            .withTreeMemory("2GiB")
            .with(Protection.WORKERS_FIRST, Requirement.REQUIRE);
    try (MemoryGuard guard = MemoryGuard.create()) {
      GuardedProcess celery =
          guard.start(job, limits, LaunchOptions.defaults().withMemoryListener(told::add));
      assertThat(client("greedy")).containsExactly("greedy MemoryError", "honest 380");
      MemoryEvent event = told.poll(30, TimeUnit.SECONDS);
      assertThat(event).isNotNull();
      assertThat(event.kind()).isEqualTo(Kind.REFUSED);
      assertThat(ForeignPool.workersOf(celery.toHandle())).contains(event.processes().get(0).pid());
      assertThat(event.processes().get(0).command()).get().asString().contains("celery");
      assertThat(event.bytes().orElseThrow()).isBetween(512 * MIB, 513 * MIB);
      Outcome outcome = celery.destroyTree(Duration.ofSeconds(20)).join();
      assertThat(outcome).isInstanceOf(Outcome.Cancelled.class);
    }
  }

  private ForeignPool pool() throws Exception {
    Memguard memguard = new Memguard();
    environment.forEach(one -> memguard.env(one.split("=", 2)[0], one.split("=", 2)[1]));
    String command = block("sh").lines().filter(line -> line.contains(" run ")).findFirst().get();
    List<String> arguments = new ArrayList<>(List.of(command.strip().split(" ")));
    arguments.remove(0); // memguard
    return new ForeignPool(memguard, directory, arguments.toArray(String[]::new));
  }

  private List<String> client(String... arguments) throws Exception {
    List<String> all = new ArrayList<>(List.of("celery_client.py"));
    all.addAll(List.of(arguments));
    return ForeignPool.client(directory, environment, all.toArray(String[]::new));
  }

  /** Each worker sets this itself, after the fork. */
  private static void awaitFirst(long worker) throws Exception {
    Waiting.until("worker " + worker + " is the first to be killed", () -> score(worker) == 1000);
  }

  private static int score(long pid) throws Exception {
    return Integer.parseInt(ForeignPool.proc(pid, "oom_score_adj"));
  }

  /** Returns the page's first block of a language. */
  private static String block(String language) throws Exception {
    return Pattern.compile("(?s)```" + language + "\n(.*?)```")
        .matcher(Files.readString(PAGE))
        .results()
        .findFirst()
        .orElseThrow()
        .group(1);
  }
}
