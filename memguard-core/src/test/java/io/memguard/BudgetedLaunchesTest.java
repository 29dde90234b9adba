package io.memguard;

import static io.memguard.support.Children.sh;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.memguard.launch.LaunchException;
import io.memguard.launch.LaunchStep;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.MemorySource.Reservation;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.outcome.Outcome;
import io.memguard.recover.MemoryBudget;
import io.memguard.recover.RetryPolicy;
import io.memguard.support.Children;
import io.memguard.support.Eventually;
import io.memguard.support.WithGuard;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** A launch takes its memory from a budget first, and gives it back on every path. */
@ExtendWith(WithGuard.class)
@Timeout(120)
final class BudgetedLaunchesTest {
  private static final MemoryLimits LIMITS = MemoryLimits.of("64MiB");
  private static final ProcessBuilder SLEEP = new ProcessBuilder("sleep", "60");

  private final MemoryBudget budget = MemoryBudget.of("100MiB");
  private final LaunchOptions patient = LaunchOptions.defaults().withBudget(budget);
  private final LaunchOptions atOnce = LaunchOptions.defaults().withBudget(budget, Duration.ZERO);

  @Test
  void aChildHoldsItsLimitAsLongAsItLives(MemoryGuard guard) throws Exception {
    GuardedProcess child = guard.start(sh("read go"), LIMITS, patient);
    assertThat(budget.available()).isEqualTo(36 << 20);
    child.getOutputStream().close();
    child.waitFor();
    assertThat(budget.available()).isEqualTo(100 << 20);
  }

  @Test
  void whoHasWaitedForTheOneBeforeFindsItsMemory(MemoryGuard guard) throws Exception {
    for (int i = 0; i < 15; i++) {
      assertThat(guard.run(new ProcessBuilder("true"), LIMITS, atOnce).isSuccess()).isTrue();
      GuardedProcess child = guard.start(new ProcessBuilder("true"), LIMITS, atOnce);
      child.outcome().get();
      guard.start(new ProcessBuilder("true"), LIMITS, atOnce).waitFor();
    }
    for (int i = 0; i < 3; i++) { // each looks through all of /proc
      guard.start(SLEEP, LIMITS, atOnce).destroyTree(Duration.ZERO).get();
    }
  }

  @Test
  void waitsForItsTurnBeforeAnythingIsMade(MemoryGuard guard) throws Exception {
    GuardedProcess first = guard.start(SLEEP, LIMITS, patient);
    CompletableFuture<Outcome> second =
        CompletableFuture.supplyAsync(() -> run(guard, sh("exit 7"), patient));
    Eventually.await("the second waits", () -> budget.waiting() == 1);
    assertThat(second).isNotDone();
    first.destroyForcibly();
    assertThat(second.get()).isInstanceOf(Outcome.Exited.class);
  }

  @Test
  void failsAtOnceIfSoAsked(MemoryGuard guard) throws Exception {
    Reservation held = budget.acquire(50 << 20);
    LaunchException refused =
        catchThrowableOfType(LaunchException.class, () -> guard.run(SLEEP, LIMITS, atOnce));
    assertThat(refused)
        .hasMessageContaining("64MiB were not to be had from the budget within PT0S")
        .hasMessageContaining("50MiB of 100MiB are free")
        .hasMessageContaining("waiting for memory from the budget");
    assertThat(refused.step()).isEqualTo(LaunchStep.BUDGET);
    assertThat(refused.isRetryable()).isTrue();
    held.close();
  }

  @Test
  void refusesWhatTheWholeBudgetCannotHold(MemoryGuard guard) {
    LaunchException refused =
        catchThrowableOfType(
            LaunchException.class, () -> guard.start(SLEEP, MemoryLimits.of("101MiB"), patient));
    assertThat(refused)
        .hasMessageContaining("101MiB are more than the whole budget:\n  100MiB     budget")
        .hasMessageContaining("RetryPolicy.upTo");
    assertThat(refused.isRetryable()).isFalse();
  }

  @Test
  void wantsToKnowHowMuch(MemoryGuard guard) {
    assertThatExceptionOfType(LaunchException.class)
        .isThrownBy(() -> guard.start(SLEEP, MemoryLimits.none(), patient))
        .withMessageContaining("no limit says how much that is")
        .withMessageContaining("MemoryLimits.of(\"512MiB\")");
  }

  @Test
  void aFailedLaunchHoldsNothing(MemoryGuard guard) {
    assertThatExceptionOfType(LaunchException.class)
        .isThrownBy(() -> guard.start(new ProcessBuilder("/no/such/thing"), LIMITS, patient));
    assertThatExceptionOfType(LaunchException.class)
        .isThrownBy(
            () ->
                guard.start( // leaves are forbidden in these tests
                    SLEEP, LIMITS.with(Protection.CGROUP_LEAF, Requirement.REQUIRE), patient));
    assertThat(budget.available()).isEqualTo(100 << 20);
  }

  @Test
  void aTreeThatIsEndedHoldsItsMemoryUntilItIsGone(MemoryGuard guard, @TempDir Path directory)
      throws Exception {
    Path go = directory.resolve("go");
    GuardedProcess child =
        guard.start(
            sh(
                "(trap '' TERM; echo ready; until [ -e \"$1\" ]; do sleep 0.01; done) & wait",
                go.toString()),
            LIMITS,
            patient);
    Children.line(child.getInputStream());
    CompletableFuture<Outcome> gone = child.destroyTree(Duration.ofSeconds(60));
    child.onExit().get();
    assertThat(gone).isNotDone();
    assertThat(budget.available()).isEqualTo(36 << 20); // the grandchild still lives
    Files.createFile(go);
    gone.get();
    assertThat(budget.available()).isEqualTo(100 << 20);
  }

  @Test
  void aTimeoutGivesItBack(MemoryGuard guard) throws Exception {
    Outcome outcome = guard.run(SLEEP, LIMITS, atOnce.withTimeout(Duration.ofMillis(50)));
    assertThat(outcome).isInstanceOf(Outcome.TimedOut.class);
    assertThat(budget.available()).isEqualTo(100 << 20);
  }

  @Test
  void aRetryThatGrowsAsksAnewAndHoldsNothingMeanwhile(MemoryGuard guard) throws Exception {
    ProcessBuilder greedy = Children.python("held = bytearray(70 << 20)");
    RetryPolicy retry = RetryPolicy.onOutOfMemory().maxAttempts(2).upTo(budget.capacity());
    List<CompletableFuture<Outcome>> both = new ArrayList<>();
    for (int i = 0; i < 2; i++) { // each would wait for ever if the other held what it had
      both.add(
          CompletableFuture.supplyAsync(
              () -> {
                try {
                  return guard.run(greedy, MemoryLimits.of("50MiB"), patient, retry);
                } catch (LaunchException | InterruptedException e) {
                  throw new IllegalStateException(e);
                }
              }));
    }
    for (CompletableFuture<Outcome> each : both) {
      assertThat(each.get().orThrow().earlierAttempts()).hasSize(1);
    }
    assertThat(budget.available()).isEqualTo(100 << 20);
  }

  @Test
  void whoWaitsCanBeInterrupted(MemoryGuard guard) throws Exception {
    Reservation held = budget.acquire(100 << 20);
    CompletableFuture<Throwable> run = new CompletableFuture<>();
    CompletableFuture<Throwable> start = new CompletableFuture<>();
    Thread runs = thrownBy(() -> guard.run(SLEEP, LIMITS, patient), run);
    Thread starts = thrownBy(() -> guard.start(SLEEP, LIMITS, patient), start);
    Eventually.await("both wait", () -> budget.waiting() == 2);
    runs.interrupt();
    starts.interrupt();
    assertThat(run.get()).isInstanceOf(InterruptedException.class);
    assertThat(start.get())
        .isInstanceOf(LaunchException.class)
        .hasMessageContaining("this thread was interrupted while it waited");
    assertThat(budget.waiting()).isZero();
    held.close();
  }

  @Test
  void closingTheGuardTurnsAwayWhoWaitsAndGivesBackWhatItsChildrenHeld() throws Exception {
    CompletableFuture<Throwable> thrown = new CompletableFuture<>();
    Reservation foreign = budget.acquire(30 << 20);
    try (MemoryGuard guard = MemoryGuard.create()) {
      guard.start(SLEEP, LIMITS, patient);
      thrownBy(() -> guard.run(SLEEP, MemoryLimits.of("90MiB"), patient), thrown);
      Eventually.await("the second waits", () -> budget.waiting() == 1);
    }
    assertThat(thrown.get())
        .isInstanceOf(LaunchException.class)
        .hasMessageContaining("the guard is closed");
    assertThat(budget.waiting()).isZero();
    assertThat(budget.available()).isEqualTo(70 << 20);
    foreign.close();
  }

  /**
   * The children themselves write down when they come and go, so it is them who say whether there
   * were ever too many.
   */
  @Test
  void randomLivesAndDeathsNeverExceedTheBudget(MemoryGuard guard, @TempDir Path directory)
      throws Exception {
    long seed = Long.getLong("memguard.seed", System.nanoTime());
    Path log = directory.resolve("log");
    ExecutorService threads = Executors.newFixedThreadPool(8);
    List<Future<?>> all = new ArrayList<>();
    for (int i = 0; i < 8; i++) {
      Random random = new Random(seed + i);
      all.add(
          threads.submit(
              () -> {
                for (int life = 0; life < 4; life++) {
                  live(guard, random, log);
                }
                return null;
              }));
    }
    for (Future<?> each : all) {
      each.get(100, TimeUnit.SECONDS);
    }
    threads.shutdown();
    // What was given in the moment when its asker cancelled comes back on another thread.
    Eventually.await("all is back; seed " + seed, () -> budget.available() == 100 << 20);
    assertThat(budget.waiting()).isZero();
    int used = 0;
    for (String line : Files.readAllLines(log)) {
      used += Integer.parseInt(line);
      assertThat(used).as("seed %d", seed).isBetween(0, 100);
    }
    assertThat(used).isZero();
  }

  private void live(MemoryGuard guard, Random random, Path log) throws Exception {
    int mebibytes = 16 + random.nextInt(85);
    MemoryLimits limits = MemoryLimits.of((long) mebibytes << 20);
    ProcessBuilder brief =
        sh("echo $2 >> \"$1\"; echo -$2 >> \"$1\"", log.toString(), "" + mebibytes);
    ProcessBuilder endless =
        sh(
            "trap 'echo -$2 >> \"$1\"; exit' TERM; echo $2 >> \"$1\"; echo; sleep 60 & wait",
            log.toString(),
            "" + mebibytes);
    switch (random.nextInt(6)) {
      case 0 -> run(guard, brief, limits, patient);
      case 1 ->
          assertThatExceptionOfType(LaunchException.class)
              .isThrownBy(() -> guard.start(new ProcessBuilder("/no/such/thing"), limits, patient));
      case 2 -> {
        GuardedProcess child = guard.start(endless, limits, patient);
        Children.line(child.getInputStream());
        child.destroyTree(Duration.ofSeconds(30)).get();
      }
      case 3 -> run(guard, SLEEP, limits, patient.withTimeout(Duration.ofMillis(50)));
      case 4 -> {
        try {
          guard.run(brief, limits, patient.withBudget(budget, Duration.ofMillis(20)));
        } catch (LaunchException e) {
          assertThat(e.step()).isEqualTo(LaunchStep.BUDGET);
        }
      }
      default -> {
        CompletableFuture<Reservation> asked = budget.acquireAsync((long) mebibytes << 20);
        if (!asked.cancel(true)) {
          asked.get().close();
        }
      }
    }
  }

  private Outcome run(MemoryGuard guard, ProcessBuilder job, LaunchOptions options) {
    return run(guard, job, LIMITS, options);
  }

  private static Outcome run(
      MemoryGuard guard, ProcessBuilder job, MemoryLimits limits, LaunchOptions options) {
    try {
      return guard.run(job, limits, options);
    } catch (LaunchException | InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  private static Thread thrownBy(Callable<?> action, CompletableFuture<Throwable> to) {
    Thread thread =
        new Thread(
            () -> {
              try {
                action.call();
              } catch (Throwable e) {
                to.complete(e);
              }
            });
    thread.start();
    return thread;
  }
}
