package io.memguard.examples.queue;

import io.memguard.GuardedProcess;
import io.memguard.MemoryGuard;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import java.io.IOException;
import java.io.PrintStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;

/**
 * Fills a queue, has two consumer JVMs work on it, kills one of them in the middle, and looks
 * whether anything was lost.
 */
final class Demo {
  private static final int PARALLEL = 4;
  private static final String BUDGET = "512MiB";
  private static final String CEILING = "256MiB";
  private static final Duration MIN_IDLE = Duration.ofSeconds(3);
  private static final Duration GRACE = Duration.ofSeconds(10);
  private static final Duration DEADLINE = Duration.ofMinutes(10);
  private static final Duration LINE = Duration.ofSeconds(2);

  private final MemoryGuard guard;
  private final Path directory;
  private final PrintStream out;
  private final long began = System.nanoTime();

  Demo(MemoryGuard guard, Path directory, PrintStream out) {
    this.guard = guard;
    this.directory = directory;
    this.out = out;
  }

  /**
   * Runs it.
   *
   * @param arguments how many jobs, {@code job.py}, and a directory for the server's data and the
   *     consumers' logs, which is made
   * @throws Exception if it cannot be run; it exits with 1 if a job was lost, or done wrongly
   */
  public static void main(String[] arguments) throws Exception {
    Path directory = Files.createDirectories(Path.of(arguments[2]));
    Workload work = new Workload(Path.of(arguments[1]), Integer.parseInt(arguments[0]));
    List<String> problems;
    try (MemoryGuard guard = MemoryGuard.create()) {
      Summary summary = new Demo(guard, directory, System.out).run(work);
      problems = summary.problems();
      System.out.println();
      System.out.print(summary);
      System.out.println(
          problems.isEmpty()
              ? "Nothing was lost, and nothing was done wrongly."
              : "This should not have happened: " + String.join("; ", problems));
    }
    System.exit(problems.isEmpty() ? 0 : 1);
  }

  Summary run(Workload work) throws IOException, InterruptedException {
    try (RedisServer server = new RedisServer(guard, directory);
        JobQueue queue = new JobQueue(server.uri())) {
      for (int number = 0; number < work.size(); number++) {
        queue.submit(work.job(number));
      }
      say("%d jobs are in the queue, each to begin with %s", work.size(), Workload.FIRST_LIMIT);
      GuardedProcess first = consumer("a", server.uri(), MIN_IDLE, GRACE);
      GuardedProcess second = consumer("b", server.uri(), MIN_IDLE, GRACE);
      await(queue, work, work.size() / 3, first, second);
      long held = awaitHeld(queue, "a", first);
      first.destroyForcibly().waitFor();
      say("kill -9 of consumer a (pid %d), which holds %d jobs", first.pid(), held);
      await(queue, work, work.size(), second);
      second.destroy(); // SIGTERM
      say("SIGTERM to consumer b: exit status %d", second.waitFor());
      return Summary.of(work, queue);
    }
  }

  GuardedProcess consumer(String name, URI server, Duration minIdle, Duration grace)
      throws IOException {
    Path log = directory.resolve("consumer-" + name + ".log");
    GuardedProcess process =
        guard.start(
            new ProcessBuilder(
                    Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                    "--enable-native-access=ALL-UNNAMED",
                    "-XX:+UseSerialGC",
                    "-Xmx128m",
                    "-Djava.io.tmpdir=" + directory, // a consumer that is killed leaves files
                    "-cp",
                    System.getProperty("java.class.path"),
                    Consumer.class.getName(),
                    server.toString(),
                    name,
                    Integer.toString(PARALLEL),
                    BUDGET,
                    CEILING,
                    Long.toString(minIdle.toSeconds()),
                    Long.toString(grace.toSeconds()))
                .redirectErrorStream(true)
                .redirectOutput(log.toFile()),
            MemoryLimits.none(),
            LaunchOptions.defaults().withDieWithParent(true));
    say("consumer %s: pid %d, %d jobs at a time within %s", name, process.pid(), PARALLEL, BUDGET);
    return process;
  }

  /** Waits until as many jobs are settled, or nobody is left to do it. */
  private void await(JobQueue queue, Workload work, int settled, GuardedProcess... consumers)
      throws InterruptedException, IOException {
    long nextLine = 0;
    while (true) {
      JobQueue.Backlog backlog = queue.backlog();
      boolean reached = work.size() - backlog.messages() >= settled;
      long now = System.nanoTime();
      if (now >= nextLine || reached) {
        nextLine = now + LINE.toNanos();
        say(
            "waiting %4d, in work %2d, done %4d, dead %2d, escalated %2s, redelivered %s",
            backlog.messages() - backlog.inWork(),
            backlog.inWork(),
            queue.results().size(),
            queue.dead().size(),
            queue.counts().getOrDefault("escalated", "0"),
            queue.counts().getOrDefault("redelivered", "0"));
      }
      if (reached) {
        return;
      }
      checkWork(consumers);
      Thread.sleep(50);
    }
  }

  private void checkWork(GuardedProcess... consumers) throws IOException {
    for (GuardedProcess consumer : consumers) {
      if (!consumer.isAlive()) {
        throw new IOException(consumer + "; its log is in " + directory);
      }
    }
    if (System.nanoTime() - began > DEADLINE.toNanos()) {
      throw new IOException("not done within " + DEADLINE + "; the logs are in " + directory);
    }
  }

  /** Waits until a consumer holds jobs, and returns how many; none if there is nothing to do. */
  private long awaitHeld(JobQueue queue, String name, GuardedProcess consumer)
      throws InterruptedException, IOException {
    JobQueue.Backlog backlog = queue.backlog();
    while (backlog.messages() > 0 && !backlog.held().containsKey(name)) {
      checkWork(consumer);
      Thread.sleep(1);
      backlog = queue.backlog();
    }
    return backlog.held().getOrDefault(name, 0L);
  }

  private void say(String form, Object... values) {
    out.printf("%6.1f s  ", (System.nanoTime() - began) / 1e9);
    out.printf(form + "%n", values);
  }
}
