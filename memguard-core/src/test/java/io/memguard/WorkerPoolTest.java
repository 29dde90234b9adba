package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.InstanceOfAssertFactories.type;

import io.memguard.launch.LaunchException;
import io.memguard.launch.LaunchStep;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.AllocationDeniedException;
import io.memguard.outcome.Cause;
import io.memguard.outcome.Outcome;
import io.memguard.recover.MemoryBudget;
import io.memguard.recover.PoolBrokenException;
import io.memguard.recover.PoolListener;
import io.memguard.recover.PoolOptions;
import io.memguard.recover.RetryPolicy;
import io.memguard.recover.TaskAttempt;
import io.memguard.recover.TaskAttempt.Failure;
import io.memguard.recover.TaskErrorException;
import io.memguard.recover.TaskQuarantinedException;
import io.memguard.recover.WorkerPool;
import io.memguard.recover.WorkerTask;
import io.memguard.support.Eventually;
import io.memguard.support.PoolWorkers;
import io.memguard.support.Proc;
import io.memguard.support.WithGuard;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What whoever submits tasks sees, whatever the workers do. */
@ExtendWith(WithGuard.class)
final class WorkerPoolTest {
  private static final MemoryLimits LIMITS = MemoryLimits.of("64MiB");
  private static final RetryPolicy RETRY =
      RetryPolicy.onOutOfMemory().growBy(4).upTo("256MiB").otherFailures(3);

  @TempDir Path directory;

  private static PoolOptions options(int workers) {
    return PoolOptions.workers(workers).withRetry(RETRY);
  }

  private static WorkerPool pool(MemoryGuard guard, PoolOptions options) {
    return guard.pool(PoolWorkers.anything(), LIMITS, options);
  }

  private static CompletableFuture<byte[]> ask(WorkerPool pool, String task) throws Exception {
    return pool.submit(task.getBytes(StandardCharsets.UTF_8));
  }

  private static String answer(CompletableFuture<byte[]> task) throws Exception {
    return new String(task.get(30, TimeUnit.SECONDS), StandardCharsets.UTF_8);
  }

  private static TaskQuarantinedException quarantined(CompletableFuture<byte[]> task) {
    return assertThat(thrown(task)).asInstanceOf(type(TaskQuarantinedException.class)).actual();
  }

  private static Throwable thrown(CompletableFuture<byte[]> task) {
    try {
      task.get(30, TimeUnit.SECONDS);
      throw new AssertionError("it completed with a result");
    } catch (ExecutionException e) {
      return e.getCause();
    } catch (Exception e) {
      return e;
    }
  }

  @Test
  void everyTaskGetsItsOwnResult(MemoryGuard guard) throws Exception {
    try (WorkerPool pool = pool(guard, options(3))) {
      List<CompletableFuture<byte[]>> tasks = new ArrayList<>();
      for (int i = 0; i < 300; i++) {
        tasks.add(ask(pool, "echo " + i));
      }
      for (int i = 0; i < 300; i++) {
        assertThat(answer(tasks.get(i))).isEqualTo("" + i);
      }
      assertThat(pool.statistics().done()).isEqualTo(300);
      assertThat(pool.statistics().workersStarted()).isBetween(1L, 3L);
    }
  }

  @Test
  void emptyAndLargeTasksAndResultsComeWhole(MemoryGuard guard) throws Exception {
    try (WorkerPool pool = pool(guard, options(1))) {
      String large = "x".repeat(5_000_000);
      assertThat(answer(ask(pool, "echo " + large))).isEqualTo(large);
      assertThat(answer(ask(pool, "echo "))).isEmpty();
    }
  }

  @Test
  void aTaskMayHaveADeadlineOfItsOwn(MemoryGuard guard) throws Exception {
    try (WorkerPool pool = pool(guard, options(1))) {
      WorkerTask sleeper = WorkerTask.of("sleep 3600".getBytes(StandardCharsets.UTF_8));
      TaskQuarantinedException reason =
          quarantined(pool.submit(sleeper.withDeadline(Duration.ofMillis(300))));
      assertThat(reason.attempts())
          .extracting(TaskAttempt::failure)
          .containsExactly(Failure.DEADLINE);
    }
  }

  @Test
  void aTaskWhoseNeedIsKnownBeginsOnALargeEnoughWorker(MemoryGuard guard) throws Exception {
    try (WorkerPool pool = pool(guard, options(1))) {
      WorkerTask large = WorkerTask.of("eat 128".getBytes(StandardCharsets.UTF_8));
      assertThat(answer(pool.submit(large.withMemory(150 << 20)))).isEqualTo("" + (128 << 20));
      assertThat(pool.statistics().retried()).isZero();
    }
  }

  @Test
  void workersEndsAreToldWithTheirReason(MemoryGuard guard) throws Exception {
    List<String> told = new CopyOnWriteArrayList<>();
    PoolListener listener =
        new PoolListener() {
          @Override
          public void workerEnded(long pid, String reason, Outcome outcome) {
            told.add(reason + " " + outcome.getClass().getSimpleName());
          }
        };
    PoolOptions options = options(1).withMaxTasks(2).withListener(listener);
    try (WorkerPool pool = pool(guard, options)) {
      assertThat(answer(ask(pool, "echo 1"))).isEqualTo("1");
      assertThat(answer(ask(pool, "echo 2"))).isEqualTo("2");
      assertThat(answer(ask(pool, "eat 128"))).isEqualTo("" + (128 << 20));
      assertThat(answer(ask(pool, "array"))).hasSize(24); // three numbers of eight bytes
    }
    assertThat(told)
        .containsExactly(
            "recycled Exited", "failed OutOfMemory", "resized Exited", "closed Exited");
  }

  @Test
  void aTaskThatIsTooLargeIsRefusedAtOnce(MemoryGuard guard) {
    try (WorkerPool pool = pool(guard, options(1).withMaxFrameBytes(1000))) {
      assertThatThrownBy(() -> pool.submit(new byte[1001]))
          .isInstanceOf(IllegalArgumentException.class)
          .hasMessageContaining("1001")
          .hasMessageContaining("1000");
    }
  }

  @Test
  void anErrorOfTheTasksOwnIsToldAndTheWorkerLivesOn(MemoryGuard guard) throws Exception {
    try (WorkerPool pool = pool(guard, options(1))) {
      String before = answer(ask(pool, "pid"));
      assertThat(thrown(ask(pool, "raise of its own")))
          .isInstanceOf(TaskErrorException.class)
          .hasMessageContaining("ValueError: of its own");
      assertThat(answer(ask(pool, "pid"))).isEqualTo(before);
    }
  }

  @Test
  void whatATaskPrintsIsNoAnswer(MemoryGuard guard) throws Exception {
    try (WorkerPool pool = pool(guard, options(1))) {
      assertThat(answer(ask(pool, "print"))).isEqualTo("printed");
      assertThat(answer(ask(pool, "echo after"))).isEqualTo("after");
    }
  }

  @Test
  void aTaskThatNeedsMoreGetsALargerWorker(MemoryGuard guard) throws Exception {
    List<MemoryLimits> next = new CopyOnWriteArrayList<>();
    List<TaskAttempt> failed = new CopyOnWriteArrayList<>();
    PoolListener listener =
        new PoolListener() {
          @Override
          public void taskRetried(long task, TaskAttempt attempt, MemoryLimits limits) {
            failed.add(attempt);
            next.add(limits);
          }
        };
    try (WorkerPool pool = pool(guard, options(2).withListener(listener))) {
      assertThat(answer(ask(pool, "eat 128"))).isEqualTo("" + (128 << 20));
      assertThat(next).containsExactly(MemoryLimits.of("256MiB"));
      assertThat(failed.get(0).failure()).isEqualTo(Failure.OUT_OF_MEMORY);
      assertThat(failed.get(0).outcome()).isInstanceOf(Outcome.OutOfMemory.class);
      assertThat(answer(ask(pool, "limit"))).isEqualTo("" + (64 << 20));
    }
  }

  @Test
  void aBombIsSetAsideWithItsCauseAndItsNeighboursDoNotNotice(MemoryGuard guard) throws Exception {
    List<String> told = new CopyOnWriteArrayList<>();
    PoolListener listener =
        new PoolListener() {
          @Override
          public void taskQuarantined(long task, byte[] payload, TaskQuarantinedException why) {
            told.add(new String(payload, StandardCharsets.UTF_8));
          }
        };
    try (WorkerPool pool = pool(guard, options(2).withListener(listener))) {
      List<CompletableFuture<byte[]>> others = new ArrayList<>();
      CompletableFuture<byte[]> bomb = ask(pool, "eat 200000");
      CompletableFuture<byte[]> smaller = ask(pool, "eat 255");
      for (int i = 0; i < 50; i++) {
        others.add(ask(pool, "echo " + i));
      }
      TaskQuarantinedException reason = quarantined(bomb);
      assertThat(reason.attempts()).hasSize(1); // one request is more than it can ever get
      assertThat(reason).hasCauseInstanceOf(AllocationDeniedException.class);
      assertThat(reason.attempts().get(0).outcome())
          .asInstanceOf(type(Outcome.OutOfMemory.class))
          .returns(Cause.ALLOCATION_DENIED, Outcome.OutOfMemory::cause);
      assertThat(quarantined(smaller).attempts()).hasSize(2);
      for (int i = 0; i < 50; i++) {
        assertThat(answer(others.get(i))).isEqualTo("" + i);
      }
      assertThat(told).containsExactlyInAnyOrder("eat 200000", "eat 255");
      assertThat(pool.statistics().quarantined()).isEqualTo(2);
    }
  }

  @Test
  void aWorkerThatSaysItselfThatItWasRefusedIsBelieved(MemoryGuard guard) throws Exception {
    try (WorkerPool pool = pool(guard, options(1))) {
      TaskQuarantinedException reason = quarantined(ask(pool, "refused 1"));
      assertThat(reason.attempts())
          .extracting(TaskAttempt::failure)
          .containsOnly(Failure.OUT_OF_MEMORY);
      assertThat(reason.attempts())
          .extracting(TaskAttempt::limits)
          .containsExactly(LIMITS, MemoryLimits.of("256MiB"));
      assertThat(reason).hasMessageContaining("much");
    }
  }

  /** What is no answer: a length that cannot be, an unknown type, another task's number, a part. */
  @ParameterizedTest
  @CsvSource({
    "raw 54726163656261636b, PROTOCOL",
    "raw 00000003, PROTOCOL",
    "raw 000000095100000000000000ff, PROTOCOL",
    "raw 00000009520000000000ffffff, PROTOCOL",
    "raw 00000009480000000000000001, PROTOCOL",
    "raw 0000, DEADLINE",
    "close, WORKER_DIED",
    "exit 0, WORKER_DIED",
    "exit 7, WORKER_DIED",
    "kill, WORKER_DIED",
    "flood, STDERR_FLOOD",
    "sleep 3600, DEADLINE",
  })
  void aWorkerThatGivesNoAnswerHasFailed(String task, Failure failure, MemoryGuard guard)
      throws Exception {
    LaunchOptions launch = LaunchOptions.defaults().withGrace(Duration.ofMillis(200));
    PoolOptions options =
        options(1)
            .withDeadline(Duration.ofSeconds(failure == Failure.DEADLINE ? 2 : 60))
            .withMaxErrorBytes(100_000)
            .withLaunch(launch)
            .withRetry(RETRY.otherFailures(2));
    List<Long> pids = new CopyOnWriteArrayList<>();
    PoolListener listener =
        new PoolListener() {
          @Override
          public void workerStarted(long pid, MemoryLimits limits) {
            pids.add(pid);
          }
        };
    try (WorkerPool pool = pool(guard, options.withListener(listener))) {
      TaskQuarantinedException reason = quarantined(ask(pool, task));
      assertThat(reason.attempts()).extracting(TaskAttempt::failure).containsOnly(failure);
      assertThat(reason.attempts()).hasSize(failure == Failure.DEADLINE ? 1 : 2);
      assertThat(answer(ask(pool, "echo on"))).isEqualTo("on");
    }
    pids.forEach(Eventually::awaitGone);
  }

  /** To wait for the end of such a one takes two seconds, and those are not the task's. */
  @Test
  void whoTalksNonsenseAndWillNotEndHasNotRunOutOfTime(MemoryGuard guard) throws Exception {
    PoolOptions options = options(1).withDeadline(Duration.ofMillis(1500));
    try (WorkerPool pool = pool(guard, options)) {
      TaskQuarantinedException reason = quarantined(ask(pool, "babble"));
      assertThat(reason.attempts()).extracting(TaskAttempt::failure).containsOnly(Failure.PROTOCOL);
    }
  }

  @Test
  void aSecondAnswerIsNobodysAndEndsTheWorker(MemoryGuard guard) throws Exception {
    try (WorkerPool pool = pool(guard, options(1))) {
      String before = answer(ask(pool, "pid"));
      assertThat(answer(ask(pool, "twice 2"))).isEmpty(); // its first answer
      assertThat(answer(ask(pool, "pid"))).isNotEqualTo(before);
      assertThat(answer(ask(pool, "echo mine"))).isEqualTo("mine");
    }
  }

  @Test
  void aTaskWhoseWorkerIsKilledIsDoneByAnother(MemoryGuard guard) throws Exception {
    try (WorkerPool pool = pool(guard, options(2))) {
      assertThat(answer(ask(pool, "die-once " + directory.resolve("died")))).isEqualTo("done");
      assertThat(pool.statistics().retried()).isEqualTo(1);
    }
  }

  @Test
  void anIdleWorkerThatIsKilledIsReplaced(MemoryGuard guard) throws Exception {
    try (WorkerPool pool = pool(guard, options(1))) {
      long before = Long.parseLong(answer(ask(pool, "pid")));
      ProcessHandle.of(before).orElseThrow().destroyForcibly();
      Eventually.await(
          "another worker lives",
          () -> pool.workers().stream().anyMatch(worker -> worker.pid() != before));
      assertThat(pool.statistics().retried()).isZero();
    }
  }

  @Test
  void whatAWorkerLeavesBehindIsEndedWithIt(MemoryGuard guard) throws Exception {
    Path pid = directory.resolve("pid");
    try (WorkerPool pool = pool(guard, options(1).withRetry(RetryPolicy.never()))) {
      quarantined(ask(pool, "leave " + pid));
    }
    assertThat(Proc.lives(Long.parseLong(Files.readString(pid)))).isFalse();
  }

  @Test
  void workersAreRecycledAfterTheirTasks(MemoryGuard guard) throws Exception {
    try (WorkerPool pool = pool(guard, options(1).withMaxTasks(3))) {
      List<String> pids = new ArrayList<>();
      for (int i = 0; i < 9; i++) {
        pids.add(answer(ask(pool, "pid")));
      }
      assertThat(Set.copyOf(pids)).hasSize(3);
    }
  }

  @Test
  void workersAreRecycledWhenTheyAreOld(MemoryGuard guard) throws Exception {
    try (WorkerPool pool = pool(guard, options(1).withMaxAge(Duration.ofNanos(1)))) {
      assertThat(answer(ask(pool, "pid"))).isNotEqualTo(answer(ask(pool, "pid")));
    }
  }

  @Test
  void workersAreRecycledWhenTheyHoldTooMuch(MemoryGuard guard) throws Exception {
    try (WorkerPool pool = pool(guard, options(1).withMaxResidentBytes(40 << 20))) {
      String first = answer(ask(pool, "pid"));
      assertThat(answer(ask(pool, "hold 1"))).isEqualTo("held");
      assertThat(answer(ask(pool, "pid"))).isEqualTo(first);
      assertThat(answer(ask(pool, "hold 35"))).isEqualTo("held");
      assertThat(answer(ask(pool, "pid"))).isNotEqualTo(first);
    }
  }

  @Test
  void whoSubmitsTooMuchWaits(MemoryGuard guard) throws Exception {
    try (WorkerPool pool = pool(guard, options(1).withQueueCapacity(2))) {
      Path go = directory.resolve("go");
      CompletableFuture<byte[]> first = ask(pool, "await " + go);
      Eventually.await("it is worked on", () -> pool.statistics().waiting() == 0);
      List<CompletableFuture<byte[]>> next = List.of(ask(pool, "echo 1"), ask(pool, "echo 2"));
      WorkerTask task = WorkerTask.of("echo 3".getBytes(StandardCharsets.UTF_8));
      assertThat(pool.submit(task, Duration.ZERO)).isEmpty();
      Thread submitter = Thread.currentThread();
      new Thread(() -> createWhenItWaits(submitter, go)).start();
      Optional<CompletableFuture<byte[]>> third = pool.submit(task, Duration.ofSeconds(30));
      assertThat(answer(first)).isEqualTo("there");
      assertThat(answer(third.orElseThrow())).isEqualTo("3");
      assertThat(answer(next.get(0)) + answer(next.get(1))).isEqualTo("12");
    }
  }

  private static void createWhenItWaits(Thread submitter, Path file) {
    Set<Thread.State> waiting = Set.of(Thread.State.WAITING, Thread.State.TIMED_WAITING);
    Eventually.await("it waits", () -> waiting.contains(submitter.getState()));
    try {
      Files.createFile(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void aCancelledTaskEndsItsWorkerAndNoOther(MemoryGuard guard) throws Exception {
    try (WorkerPool pool = pool(guard, options(2))) {
      CompletableFuture<byte[]> sleeper = ask(pool, "sleep 3600");
      Eventually.await("it is worked on", () -> pool.statistics().waiting() == 0);
      sleeper.cancel(true);
      assertThat(answer(ask(pool, "echo on"))).isEqualTo("on");
    } // which waits for all that is not done
  }

  @Test
  void closeWaitsForAllThatWasSubmitted(MemoryGuard guard) throws Exception {
    List<CompletableFuture<byte[]>> tasks = new ArrayList<>();
    WorkerPool pool = pool(guard, options(2));
    for (int i = 0; i < 20; i++) {
      tasks.add(ask(pool, i % 5 == 0 ? "eat 128" : "sleep 0.01"));
    }
    pool.close();
    assertThat(tasks).allMatch(task -> task.isDone() && !task.isCompletedExceptionally());
    assertThat(pool.workers()).isEmpty();
    assertThatThrownBy(() -> ask(pool, "echo")).isInstanceOf(RejectedExecutionException.class);
  }

  @Test
  void whatIsStoppedEndsAtOnceAndEveryTaskIsTold(MemoryGuard guard) throws Exception {
    WorkerPool pool = pool(guard, options(2));
    List<CompletableFuture<byte[]>> tasks = new ArrayList<>();
    for (int i = 0; i < 10; i++) {
      tasks.add(ask(pool, "sleep 3600"));
    }
    Eventually.await(
        "two are worked on",
        () -> pool.workers().stream().filter(WorkerPool.WorkerState::busy).count() == 2);
    List<WorkerPool.WorkerState> workers = pool.workers();
    assertThat(pool.statistics().waiting()).isEqualTo(8);
    pool.shutdownNow();
    assertThat(pool.awaitTermination(Duration.ofSeconds(30))).isTrue();
    for (CompletableFuture<byte[]> task : tasks) {
      assertThat(thrown(task)).isInstanceOf(CancellationException.class);
    }
    workers.forEach(worker -> Eventually.awaitGone(worker.pid()));
  }

  @Test
  void aPoolThatIsStoppedWhileItsWorkersStartEnds(MemoryGuard guard) throws Exception {
    for (int round = 0; round < 20; round++) {
      WorkerPool pool = pool(guard, options(2));
      CompletableFuture<byte[]> task = ask(pool, "echo on");
      pool.shutdownNow();
      assertThat(pool.awaitTermination(Duration.ofSeconds(30))).isTrue();
      Eventually.await("it is told", task::isDone);
    }
  }

  @Test
  void aProgramThatIsNotThereBreaksThePool(MemoryGuard guard) {
    try (WorkerPool pool =
        guard.pool(new ProcessBuilder("/no/such/worker"), LIMITS, PoolOptions.workers(2))) {
      assertThatThrownBy(
              () -> {
                while (true) {
                  ask(pool, "echo").get(30, TimeUnit.SECONDS);
                }
              })
          .satisfiesAnyOf(
              e -> assertThat(e).isInstanceOf(PoolBrokenException.class),
              e -> assertThat(e).hasCauseInstanceOf(PoolBrokenException.class))
          .hasMessageContaining("/no/such/worker");
    }
  }

  @Test
  void aProgramThatGoesAwayWhileThePoolIsClosedLeavesNobodyWaiting(MemoryGuard guard)
      throws Exception {
    Path program = Files.copy(Path.of("/bin/sleep"), directory.resolve("worker"));
    WorkerPool pool =
        guard.pool(new ProcessBuilder(program.toString(), "3600"), LIMITS, options(1));
    CompletableFuture<byte[]> task = ask(pool, "echo");
    Eventually.await("one was started", () -> !pool.workers().isEmpty());
    pool.shutdown();
    Files.delete(program);
    pool.workers().forEach(worker -> kill(worker.pid()));
    assertThat(pool.awaitTermination(Duration.ofSeconds(30))).isTrue();
    assertThat(thrown(task)).isInstanceOf(PoolBrokenException.class);
  }

  /** It has spoken out of turn, so another one is to take its place, with the task in hand. */
  @Test
  void aTaskIsNotLostWhenTheWorkerCannotBeReplaced(MemoryGuard guard) throws Exception {
    Path program = directory.resolve("worker");
    List<String> command = PoolWorkers.anything().command();
    Files.writeString(program, "#!/bin/sh\nexec " + String.join(" ", command) + "\n");
    assertThat(program.toFile().setExecutable(true)).isTrue();
    ProcessBuilder worker = new ProcessBuilder(program.toString());
    worker.environment().putAll(PoolWorkers.anything().environment());
    try (WorkerPool pool = guard.pool(worker, LIMITS, options(1))) {
      assertThat(answer(ask(pool, "echo on"))).isEqualTo("on");
      Files.delete(program);
      assertThat(answer(ask(pool, "twice 2"))).isEmpty();
      assertThatThrownBy(() -> ask(pool, "echo").get(30, TimeUnit.SECONDS))
          .satisfiesAnyOf(
              e -> assertThat(e).isInstanceOf(PoolBrokenException.class),
              e -> assertThat(e).hasCauseInstanceOf(PoolBrokenException.class));
    }
  }

  @Test
  void aLauncherThatThrowsLosesNoTask() throws Exception {
    try (WorkerPool pool =
        WorkerPool.open(
            limits -> {
              throw new IllegalStateException("on purpose");
            },
            LIMITS,
            options(2))) {
      assertThatThrownBy(() -> ask(pool, "echo").get(30, TimeUnit.SECONDS))
          .satisfiesAnyOf(
              e -> assertThat(e).isInstanceOf(PoolBrokenException.class),
              e -> assertThat(e).hasCauseInstanceOf(PoolBrokenException.class))
          .hasMessageContaining("on purpose");
    }
  }

  /** The second pool's workers wait for memory that the first has, which is closed after it. */
  @Test
  void aPoolWhoseWorkersWaitForMemoryCanBeClosed(MemoryGuard guard) throws Exception {
    MemoryBudget budget = MemoryBudget.of("160MiB");
    PoolOptions options = options(2).withLaunch(LaunchOptions.defaults().withBudget(budget));
    try (WorkerPool first = pool(guard, options)) {
      assertThat(answer(ask(first, "echo on"))).isEqualTo("on");
      Eventually.await("both live", () -> first.workers().size() == 2);
      try (WorkerPool second = pool(guard, options)) {
        Eventually.await("its workers wait", () -> budget.waiting() > 0);
        assertThat(second.workers()).isEmpty();
      }
      assertThat(answer(ask(first, "echo still"))).isEqualTo("still");
    }
  }

  @Test
  void aLargerWorkerThatCannotBeStartedIsTriedWithPauses(MemoryGuard guard) throws Exception {
    AtomicInteger launches = new AtomicInteger();
    try (WorkerPool pool =
        WorkerPool.open(
            limits -> {
              if (!limits.equals(LIMITS)) {
                launches.incrementAndGet();
                throw new LaunchException(LaunchStep.CLONE, 11, "no more processes", "Wait.");
              }
              return guard.start(PoolWorkers.anything(), limits);
            },
            LIMITS,
            options(1))) {
      CompletableFuture<byte[]> task = ask(pool, "eat 128");
      Eventually.await("it was tried", () -> launches.get() > 2);
      assertThat(answer(ask(pool, "echo others"))).isEqualTo("others");
      assertThat(launches.get()).isLessThan(12); // with pauses that double
      task.cancel(true);
    }
  }

  @Test
  void aTaskWhoseSizeCannotBeHadIsSetAsideAlone(MemoryGuard guard) throws Exception {
    try (WorkerPool pool =
        WorkerPool.open(
            limits -> {
              if (!limits.equals(LIMITS)) {
                throw new LaunchException(LaunchStep.EXEC, 2, "no such program", "Install it.");
              }
              return guard.start(PoolWorkers.anything(), limits);
            },
            LIMITS,
            options(1))) {
      WorkerTask large = WorkerTask.of("echo large".getBytes(StandardCharsets.UTF_8));
      TaskQuarantinedException reason = quarantined(pool.submit(large.withMemory(200 << 20)));
      assertThat(reason).hasCauseInstanceOf(LaunchException.class);
      assertThat(reason.attempts()).isEmpty();
      assertThat(answer(ask(pool, "echo others"))).isEqualTo("others");
    }
  }

  @Test
  void aCancelledTaskIsNoReasonForAPause(MemoryGuard guard) throws Exception {
    try (WorkerPool pool = pool(guard, options(1))) {
      for (int i = 0; i < 8; i++) { // which as failures would be 12 seconds of pauses
        CompletableFuture<byte[]> sleeper = ask(pool, "sleep 3600");
        Eventually.await("it is worked on", () -> pool.statistics().waiting() == 0);
        sleeper.cancel(true);
      }
      assertThat(ask(pool, "echo on").get(9, TimeUnit.SECONDS)).isNotEmpty();
    }
  }

  private static void kill(long pid) {
    ProcessHandle.of(pid).ifPresent(ProcessHandle::destroyForcibly);
  }

  @Test
  void workersThatAreNeverReadyBreakThePool(MemoryGuard guard) throws Exception {
    ProcessBuilder worker = PoolWorkers.startingWith("sys.exit('not today')");
    try (WorkerPool pool = guard.pool(worker, LIMITS, options(2))) {
      assertThat(thrown(ask(pool, "echo")))
          .isInstanceOf(PoolBrokenException.class)
          .hasMessageContaining("code 1");
    }
  }

  @Test
  void aWorkerThatNeedsTooLongToStartIsNotWaitedFor(MemoryGuard guard) throws Exception {
    ProcessBuilder worker = PoolWorkers.startingWith("time.sleep(3600)");
    PoolOptions options = options(4).withStartTimeout(Duration.ofMillis(100));
    try (WorkerPool pool = guard.pool(worker, LIMITS, options)) {
      assertThat(thrown(ask(pool, "echo"))).isInstanceOf(PoolBrokenException.class);
    }
  }

  @Test
  void someWorkersThatAreNotReadyDoNotBreakIt(MemoryGuard guard) throws Exception {
    String counter = directory.resolve("started").toString();
    ProcessBuilder worker =
        PoolWorkers.startingWith(
            "f = open('"
                + counter
                + "', 'a'); f.write('x'); f.close()\n"
                + "if os.path.getsize('"
                + counter
                + "') < 4: sys.exit(1)");
    try (WorkerPool pool = guard.pool(worker, LIMITS, options(1))) {
      assertThat(answer(ask(pool, "echo on"))).isEqualTo("on");
    }
  }

  @Test
  void aBudgetIsSharedByWorkersOfAllSizes(MemoryGuard guard) throws Exception {
    MemoryBudget budget =
        MemoryBudget.of("320MiB"); // four of 80 MiB with their slack, or a large one
    PoolOptions options = options(4).withLaunch(LaunchOptions.defaults().withBudget(budget));
    try (WorkerPool pool = pool(guard, options)) {
      List<CompletableFuture<byte[]>> tasks = new ArrayList<>();
      for (int i = 0; i < 40; i++) {
        tasks.add(ask(pool, i % 10 == 3 ? "eat 128" : "echo " + i));
      }
      for (int i = 0; i < 40; i++) {
        assertThat(answer(tasks.get(i))).isEqualTo(i % 10 == 3 ? "" + (128 << 20) : "" + i);
      }
    }
    Eventually.await("all is given back", () -> budget.available() == budget.capacity());
  }

  @Test
  void smallTasksDoNotWaitForAllTheLargeOnes(MemoryGuard guard) throws Exception {
    Path first = directory.resolve("first");
    Path second = directory.resolve("second");
    WorkerTask large = WorkerTask.of(("await " + second).getBytes(StandardCharsets.UTF_8));
    try (WorkerPool pool = pool(guard, options(4))) {
      List<CompletableFuture<byte[]>> smallOnes = new ArrayList<>();
      List<CompletableFuture<byte[]>> largeOnes = new ArrayList<>();
      for (int i = 0; i < 4; i++) { // so that small ones wait before there is a large one
        smallOnes.add(ask(pool, "await " + first));
      }
      for (int i = 0; i < 4; i++) {
        largeOnes.add(pool.submit(large.withMemory(150 << 20)));
        smallOnes.add(ask(pool, "echo there"));
      }
      Files.createFile(first);
      for (CompletableFuture<byte[]> small : smallOnes) { // two workers are left for them
        assertThat(answer(small)).isEqualTo("there");
      }
      assertThat(largeOnes).noneMatch(CompletableFuture::isDone);
      Files.createFile(second);
      for (CompletableFuture<byte[]> one : largeOnes) {
        assertThat(answer(one)).isEqualTo("there");
      }
    }
  }

  @Test
  void workersThatDoNotFitTheirBudgetAreRefused(MemoryGuard guard) {
    PoolOptions options =
        options(4).withLaunch(LaunchOptions.defaults().withBudget(MemoryBudget.of("128MiB")));
    assertThatThrownBy(() -> pool(guard, options))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("4 workers");
  }

  @Test
  void aFutureMayUseThePoolWhenItCompletes(MemoryGuard guard) throws Exception {
    try (WorkerPool pool = pool(guard, options(1).withQueueCapacity(1))) {
      CompletableFuture<String> chain =
          ask(pool, "echo 1")
              .thenApply(
                  first -> {
                    try {
                      CompletableFuture<byte[]> between = ask(pool, "echo in between");
                      return answer(ask(pool, "echo 2")) + answer(between);
                    } catch (Exception e) {
                      throw new IllegalStateException(e);
                    }
                  });
      assertThat(chain.get(30, TimeUnit.SECONDS)).isEqualTo("2in between");
    }
  }

  @Test
  void aListenerThatThrowsChangesNothing(MemoryGuard guard) throws Exception {
    PoolListener listener =
        new PoolListener() {
          @Override
          public void workerStarted(long pid, MemoryLimits limits) {
            throw new IllegalStateException("on purpose");
          }
        };
    try (WorkerPool pool = pool(guard, options(1).withListener(listener))) {
      assertThat(answer(ask(pool, "echo on"))).isEqualTo("on");
    }
  }

  @Test
  void aGuardThatIsClosedFirstLeavesNobodyWaiting() throws Exception {
    WorkerPool pool;
    CompletableFuture<byte[]> running;
    try (MemoryGuard own = MemoryGuard.create()) {
      pool = own.pool(PoolWorkers.anything(), LIMITS, options(1));
      running = ask(pool, "sleep 3600");
      Eventually.await("it is worked on", () -> pool.statistics().waiting() == 0);
    }
    assertThat(thrown(running)).isInstanceOf(PoolBrokenException.class);
    pool.close();
  }

  @Test
  void nothingIsLeftOfAPool(MemoryGuard guard) throws Exception {
    answerOnce(guard); // what is loaded and opened once
    Eventually.await("threads have ended", () -> poolThreads().isEmpty());
    int descriptors = Proc.openFiles().size();
    for (int i = 0; i < 5; i++) {
      answerOnce(guard);
    }
    Eventually.await(() -> "left: " + poolThreads(), () -> poolThreads().isEmpty());
    Eventually.await(
        () -> Proc.openFiles() + " instead of " + descriptors,
        () -> Proc.openFiles().size() <= descriptors);
  }

  private void answerOnce(MemoryGuard guard) throws Exception {
    try (WorkerPool pool = pool(guard, options(3))) {
      assertThat(answer(ask(pool, "eat 128"))).isEqualTo("" + (128 << 20));
      quarantined(ask(pool, "eat 200000"));
    }
  }

  private static Set<String> poolThreads() {
    return Thread.getAllStackTraces().keySet().stream()
        .map(Thread::getName)
        .filter(name -> name.startsWith("memguard-pool"))
        .collect(Collectors.toSet());
  }

  @Test
  void redirectedPipesAreRefused(MemoryGuard guard) {
    ProcessBuilder worker = PoolWorkers.anything().redirectErrorStream(true);
    assertThatThrownBy(() -> guard.pool(worker, LIMITS, PoolOptions.workers(1)))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("stdout");
  }

  @Test
  void valuesOutOfRangeAreRefused() {
    assertThatThrownBy(() -> PoolOptions.workers(0)).hasMessageContaining("workers: 0");
    PoolOptions options = PoolOptions.workers(1);
    assertThatThrownBy(() -> options.withQueueCapacity(0)).hasMessageContaining("0");
    assertThatThrownBy(() -> options.withDeadline(Duration.ZERO)).hasMessageContaining("PT0S");
    assertThatThrownBy(() -> options.withMaxTasks(-1)).hasMessageContaining("-1");
    assertThatThrownBy(() -> options.withMaxFrameBytes(Integer.MAX_VALUE))
        .hasMessageContaining("array");
    assertThat(IntStream.of(options.queueCapacity(), options.workers()).min().orElse(0))
        .isPositive();
  }
}
