package io.memguard.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A real RQ, whose worker forks a process for each job. */
@Timeout(300)
class RqTest {
  private static final long MIB = 1 << 20;

  @TempDir Path directory;
  private Redis redis;

  @BeforeEach
  void startServer() throws Exception {
    ForeignPool.require("rq", "redis-server", "python3");
    redis = new Redis(directory);
    ForeignPool.copy(directory, "rq_jobs.py", "rq_client.py");
  }

  @AfterEach
  void endServer() throws Exception {
    if (redis != null) {
      redis.close();
    }
  }

  @Test
  void aGreedyJobFailsInItsOwnProcessAndTheNextIsDone() throws Exception {
    try (ForeignPool pool = pool()) {
      assertThat(job("total", "3", "4")).containsExactly("7");
      assertThat(job("greedy", "512")).containsExactly("failed: MemoryError");
      assertThat(pool.line(" was refused "))
          .contains("was refused 512.0MiB (")
          .endsWith("; its RLIMIT_DATA is 256MiB");
      assertThat(job("total", "3", "5")).containsExactly("8");
      assertThat(pool.lines()).hasSize(1);
      assertThat(pool.end()).isZero();
    }
  }

  @Test
  void theProcessOfAJobHasTheLimitAndIsNamed() throws Exception {
    try (ForeignPool pool = pool()) {
      Process client = startClient("wait", directory.toString());
      long horse = horse();
      assertThat(ForeignPool.dataLimit(horse)).isEqualTo(256 * MIB);
      assertThat(ForeignPool.proc(horse, "oom_score_adj")).isEqualTo("1000");
      ProcessHandle worker = pool.supervisorOf(1);
      assertThat(Integer.parseInt(ForeignPool.proc(worker.pid(), "oom_score_adj")))
          .isLessThan(1000);
      Files.createFile(directory.resolve("go"));
      assertThat(pool.line(" was refused ")).startsWith("memguard: process " + horse + " (");
      assertThat(client.waitFor()).isZero();
      assertThat(worker.isAlive()).isTrue();
    }
  }

  @Test
  void aJobWhoseProcessIsKilledFailsAndTheNextIsDone() throws Exception {
    try (ForeignPool pool = pool()) {
      Process client = startClient("wait", directory.toString());
      ProcessHandle.of(horse()).orElseThrow().destroyForcibly();
      assertThat(client.waitFor()).isZero();
      assertThat(Files.readString(directory.resolve("client"))).startsWith("failed: ");
      assertThat(job("total", "3", "4")).containsExactly("7");
      assertThat(pool.lines()).isEmpty();
    }
  }

  private ForeignPool pool() throws Exception {
    return new ForeignPool(
        new Memguard(),
        directory,
        "run",
        "--memory",
        "256MiB",
        "--tree-memory",
        "2GiB",
        "--workers-first",
        "--",
        "rq",
        "worker",
        "--url",
        "unix://" + redis.socket());
  }

  private List<String> job(String... arguments) throws Exception {
    return ForeignPool.client(directory, List.of(), command(arguments).toArray(String[]::new));
  }

  private List<String> command(String... arguments) {
    List<String> all = new ArrayList<>(List.of("rq_client.py", redis.socket().toString()));
    all.addAll(List.of(arguments));
    return all;
  }

  private Process startClient(String... arguments) throws Exception {
    List<String> command = new ArrayList<>(List.of("/usr/bin/python3"));
    command.addAll(command(arguments));
    return new ProcessBuilder(command)
        .directory(directory.toFile())
        .redirectErrorStream(true)
        .redirectOutput(directory.resolve("client").toFile())
        .start();
  }

  private long horse() throws Exception {
    Path file = directory.resolve("horse");
    Waiting.until("a job works", () -> Files.exists(file));
    return Long.parseLong(Files.readString(file));
  }
}
