package io.memguard;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.spi.ILoggingEvent;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;
import io.memguard.recover.PoolOptions;
import io.memguard.recover.RetryPolicy;
import io.memguard.recover.WorkerPool;
import io.memguard.support.Children;
import io.memguard.support.Logged;
import io.memguard.support.PoolWorkers;
import io.memguard.support.WithGuard;
import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.ForkJoinWorkerThread;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.MDC;

/** What a real logging backend is given when real children end. */
@ExtendWith(WithGuard.class)
final class EndLogTest {
  private static final MemoryLimits LIMITS = MemoryLimits.of("64MiB");
  private static final String GREEDY = "bytearray(600 << 20)";
  private static final long SLOW_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  private final Logged logged = Logged.by("io.memguard.outcome");

  @AfterEach
  void close() {
    logged.close();
  }

  /** On the test's own thread, which is no other's. */
  private static void beARequest() {
    MDC.put("request", "4711");
    MDC.put("memguard.pid", "the caller's own");
  }

  @Test
  void aDeathIsOneLineWithAllThatIsNeeded(MemoryGuard guard) throws Exception {
    beARequest();
    Outcome outcome = guard.run(Children.python(GREEDY), LIMITS, named("thumbnails"));
    long pid = outcome.evidence().pid();
    String program = outcome.evidence().program();
    assertThat(logged.of(pid)).hasSize(1);
    ILoggingEvent line = logged.of(pid).get(0);
    assertThat(line.getLevel()).isEqualTo(Level.WARN);
    assertThat(line.getFormattedMessage())
        .startsWith(
            "thumbnails ("
                + program
                + ", pid "
                + pid
                + "): out-of-memory, allocation-denied, certain;")
        .containsPattern(
            "; limit 64MiB, peak [0-9.]+[KM]iB, refused 600(\\.0)?MiB, after \\d+ ms; next: nothing, try \\d+")
        .endsWith(". " + outcome.explanation())
        .doesNotContain("\n");
    assertThat(line.getMDCPropertyMap())
        .containsEntry("request", "4711")
        .containsEntry("memguard.name", "thumbnails")
        .containsEntry("memguard.program", program)
        .containsEntry("memguard.outcome", "out-of-memory")
        .containsEntry("memguard.cause", "allocation-denied")
        .containsEntry("memguard.confidence", "certain")
        .containsEntry("memguard.exit_code", "1")
        .containsEntry("memguard.limit", Long.toString(64L << 20))
        .containsEntry("memguard.attempt", "1")
        .containsEntry("memguard.next", "nothing")
        .containsKeys("memguard.peak", "memguard.refused", "memguard.suggested_limit")
        .doesNotContainKey("memguard.next_limit");
    assertThat(line.getThreadName()).as("with run, the caller's").isEqualTo(threadName());
    assertThat(MDC.getCopyOfContextMap())
        .as("is as it was")
        .isEqualTo(Map.of("request", "4711", "memguard.pid", "the caller's own"));
  }

  private static String threadName() {
    return Thread.currentThread().getName();
  }

  @Test
  void whoWasStartedHasTheContextOfTheLaunch(MemoryGuard guard) throws Exception {
    beARequest();
    GuardedProcess child = guard.start(Children.sh("exit 3"), LIMITS);
    ILoggingEvent line = logged.awaitLineOf(child.pid());
    assertThat(line.getLevel()).isEqualTo(Level.INFO);
    assertThat(line.getFormattedMessage())
        .startsWith("sh (pid " + child.pid() + "): exited; limit 64MiB, peak ")
        .contains(", refused nothing, after ", "; next: nothing. It exited with code 3.");
    assertThat(line.getMDCPropertyMap())
        .containsEntry("request", "4711")
        .containsEntry("memguard.exit_code", "3")
        .doesNotContainKeys("memguard.cause", "memguard.refused");
    assertThat(MDC.get("memguard.pid")).isEqualTo("the caller's own");
  }

  /** Or the line that somebody needs in the night is lost when the application ends. */
  @Test
  void aGuardIsClosedWhenTheLineOfWhoWasStartedIsWritten() throws Exception {
    try (Logged slow =
        Logged.by("io.memguard.outcome", line -> LockSupport.parkNanos(SLOW_NANOS))) {
      long pid;
      try (MemoryGuard guard = MemoryGuard.create()) {
        GuardedProcess child = guard.start(Children.sh("exit 3"), LIMITS);
        pid = child.pid();
        child.waitFor();
      }
      assertThat(slow.of(pid)).hasSize(1);
    }
  }

  @Test
  void aLogThatBlocksKeepsNoOutcomeAndNoGuard() throws Exception {
    assertThat(said(Blocked.class)).containsExactly("10 outcomes", "closed");
  }

  /** A thread that others used before may have theirs: the JDK's own forget it, others need not. */
  @Test
  void whoHadNoContextHasNobodyElses() throws Exception {
    assertThat(said(Stranger.class)).containsExactly("3, of nobody");
  }

  private static List<String> said(Class<?> main) throws Exception {
    String pool = "-Djava.util.concurrent.ForkJoinPool.common.";
    List<String> shared =
        List.of(pool + "parallelism=2", pool + "threadFactory=" + Remembering.class.getName());
    Process jvm = Children.jvm(shared, main).redirectError(Redirect.INHERIT).start();
    CompletableFuture.delayedExecutor(40, TimeUnit.SECONDS).execute(jvm::destroyForcibly);
    return Children.output(jvm).lines().toList();
  }

  /** Makes threads that keep what is bound to them. */
  public static final class Remembering implements ForkJoinPool.ForkJoinWorkerThreadFactory {
    @Override
    public ForkJoinWorkerThread newThread(ForkJoinPool pool) {
      return new ForkJoinWorkerThread(pool) {};
    }
  }

  /** Has children end while nothing can be logged. */
  static final class Blocked {
    private Blocked() {}

    public static void main(String[] arguments) throws Exception {
      Logged.by("io.memguard.outcome", line -> LockSupport.park());
      MemoryGuard guard = MemoryGuard.create();
      int outcomes = 0;
      for (int i = 0; i < 10; i++) {
        GuardedProcess child = guard.start(Children.sh("exit 3"), LIMITS);
        child.outcome().get(20, TimeUnit.SECONDS);
        outcomes++;
      }
      System.out.println(outcomes + " outcomes");
      guard.close();
      System.out.println("closed");
      Runtime.getRuntime().halt(0);
    }
  }

  /** Starts a child without a context, where the threads of the common pool have one. */
  static final class Stranger {
    private Stranger() {}

    public static void main(String[] arguments) throws Exception {
      MDC.clear(); // there is none before logging has begun
      CyclicBarrier all = new CyclicBarrier(2);
      Runnable request =
          () -> {
            MDC.put("request", "a stranger's");
            try {
              all.await();
            } catch (InterruptedException | BrokenBarrierException e) {
              throw new IllegalStateException(e);
            }
          };
      CompletableFuture.allOf(
              CompletableFuture.runAsync(request), CompletableFuture.runAsync(request))
          .join();
      try (Logged logged = Logged.by("io.memguard.outcome");
          MemoryGuard guard = MemoryGuard.create()) {
        GuardedProcess child = guard.start(Children.sh("exit 3"), LIMITS);
        Map<String, String> context = logged.awaitLineOf(child.pid()).getMDCPropertyMap();
        System.out.println(
            context.get("memguard.exit_code")
                + ", of "
                + context.getOrDefault("request", "nobody"));
      }
    }
  }

  @Test
  void whatIsTriedAgainIsSaidWithItsNextLimitAndOneLevelLower(MemoryGuard guard) throws Exception {
    Outcome outcome =
        guard.run(
            Children.python("bytearray(100 << 20)"),
            LIMITS,
            RetryPolicy.onOutOfMemory().maxAttempts(2).growBy(4).upTo("256MiB"));
    assertThat(outcome.isSuccess()).isTrue();
    long first = outcome.earlierAttempts().get(0).evidence().pid();
    assertThat(logged.of(first)).hasSize(1);
    ILoggingEvent retried = logged.of(first).get(0);
    assertThat(retried.getLevel()).isEqualTo(Level.INFO);
    assertThat(retried.getFormattedMessage()).contains("; next: attempt 2 with 256MiB. ");
    assertThat(retried.getMDCPropertyMap())
        .containsEntry("memguard.next", "retry")
        .containsEntry("memguard.next_limit", Long.toString(256L << 20));
    ILoggingEvent last = logged.awaitLineOf(outcome.evidence().pid());
    assertThat(last.getLevel()).isEqualTo(Level.DEBUG);
    assertThat(last.getMDCPropertyMap())
        .containsEntry("memguard.attempt", "2")
        .containsEntry("memguard.next", "nothing");
  }

  @Test
  void theLastOfSeveralAttemptsSaysThatNoneFollows(MemoryGuard guard) throws Exception {
    Outcome outcome =
        guard.run(
            Children.python(GREEDY),
            LIMITS,
            RetryPolicy.onOutOfMemory().maxAttempts(3).growBy(2).upTo("128MiB").otherFailures(2));
    ILoggingEvent last = logged.awaitLineOf(outcome.evidence().pid());
    assertThat(last.getLevel()).isEqualTo(Level.WARN);
    assertThat(last.getFormattedMessage()).contains("; next: nothing after attempt 1, try ");
    assertThat(last.getMDCPropertyMap()).containsEntry("memguard.next", "give-up");
  }

  @Test
  void theLevelFollowsTheEnd(MemoryGuard guard) throws Exception {
    assertThat(levelOf(guard.run(Children.sh("exit 0"), LIMITS))).isEqualTo(Level.DEBUG);
    assertThat(levelOf(guard.run(Children.sh("kill -TERM $$"), LIMITS))).isEqualTo(Level.WARN);
    assertThat(
            levelOf(
                guard.run(
                    Children.sh("exec sleep 600"),
                    LIMITS,
                    LaunchOptions.defaults().withTimeout(Duration.ofMillis(50)))))
        .isEqualTo(Level.WARN);
    GuardedProcess cancelled = guard.start(Children.sh("exec sleep 600"), LIMITS);
    cancelled.destroyForcibly();
    assertThat(logged.awaitLineOf(cancelled.pid()).getLevel()).isEqualTo(Level.DEBUG);
  }

  private Level levelOf(Outcome outcome) {
    return logged.awaitLineOf(outcome.evidence().pid()).getLevel();
  }

  /** Arguments, the environment and what a child prints can hold secrets; a name, a line break. */
  @Test
  void nothingIsLoggedThatCouldBeASecretOrAnotherLine(MemoryGuard guard, @TempDir Path directory)
      throws Exception {
    Path odd = directory.resolve("odd\n2026 WARN forged");
    Files.writeString(odd, "#!/bin/sh\necho \"$1 $SECRET\" >&2; exit 3\n");
    Files.setPosixFilePermissions(odd, PosixFilePermissions.fromString("rwx------"));
    ProcessBuilder job = new ProcessBuilder(odd.toString(), "--password=hunter2");
    job.environment().put("SECRET", "hunter3");
    try (Logged all = Logged.by("io.memguard")) {
      Outcome outcome = guard.run(job, LIMITS);
      assertThat(outcome.evidence().errorTail()).contains("hunter2 hunter3");
      ILoggingEvent line = logged.awaitLineOf(outcome.evidence().pid());
      assertThat(line.getFormattedMessage()).startsWith("odd?2026 WARN forged (pid ");
      assertThat(line.getMDCPropertyMap()).containsEntry("memguard.name", "odd?2026 WARN forged");
      assertThat(all.all())
          .allSatisfy(
              each ->
                  assertThat(each.getFormattedMessage() + each.getMDCPropertyMap())
                      .doesNotContain("hunter", directory.toString()));
    }
  }

  @Test
  void aWorkersDeathSaysWhatBecomesOfItsTask(MemoryGuard guard) throws Exception {
    RetryPolicy retry = RetryPolicy.onOutOfMemory().maxAttempts(2).growBy(4).upTo("256MiB");
    PoolOptions options = PoolOptions.workers(1).withRetry(retry).withLaunch(named("pool-worker"));
    try (WorkerPool pool = guard.pool(PoolWorkers.anything(), LIMITS, options)) {
      assertThat(pool.submit("eat 100".getBytes(UTF_8)).get()).isNotEmpty();
      assertThatThrownBy(() -> pool.submit("eat 600".getBytes(UTF_8)).get())
          .isInstanceOf(ExecutionException.class);
      assertThatThrownBy(() -> pool.submit("exit 7".getBytes(UTF_8)).get())
          .isInstanceOf(ExecutionException.class);
    }
    List<ILoggingEvent> lines =
        logged.all().stream().filter(line -> line.getLevel().isGreaterOrEqual(Level.INFO)).toList();
    assertThat(lines)
        .extracting(ILoggingEvent::getLevel)
        .containsExactly(Level.INFO, Level.WARN, Level.INFO);
    assertThat(lines.get(0).getFormattedMessage())
        .startsWith("pool-worker (")
        .contains("; next: attempt 2 with 256MiB. ");
    assertThat(lines.get(1).getFormattedMessage())
        .contains("out-of-memory", "; next: its task is set aside after attempt 1. ");
    assertThat(lines.get(2).getFormattedMessage())
        .contains("exited", "; next: its task is set aside after attempt 1. ");
  }

  private static LaunchOptions named(String name) {
    return LaunchOptions.defaults().withName(name);
  }
}
