package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.MemorySource.Reservation;
import io.memguard.recover.MemoryBudget;
import io.memguard.recover.PoolOptions;
import io.memguard.recover.WorkerPool;
import io.memguard.support.Children;
import io.memguard.support.Engines;
import io.memguard.support.Eventually;
import io.memguard.support.PoolWorkers;
import io.memguard.support.WithGuard;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.lang.ProcessBuilder.Redirect;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledForJreRange;
import org.junit.jupiter.api.condition.JRE;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Virtual threads that wait for children leave their carrier to others. */
@ExtendWith(WithGuard.class)
@Timeout(100)
@EnabledForJreRange(min = JRE.JAVA_21, disabledReason = "before 21 there are no virtual threads")
final class VirtualThreadsTest {
  private static final int WAITING = 200;

  /**
   * All wait on one carrier for children that end only when the last thread has started its own:
   * whoever pinned the carrier would keep the last from starting.
   */
  @ParameterizedTest
  @ValueSource(strings = {"run", "waitFor", "read"})
  void hundredsWaitOnOneCarrier(String how, @TempDir Path directory) throws Exception {
    boolean readsThroughTheJdk = how.equals("read") && !Engines.isNative();
    Path fifo = directory.resolve("fifo");
    assertThat(new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor()).isZero();
    Process jvm =
        Children.jvm(
                List.of(
                    "-Djdk.virtualThreadScheduler.parallelism=1",
                    "-Djdk.virtualThreadScheduler.maxPoolSize="
                        + (readsThroughTheJdk ? WAITING : 1)),
                Crowd.class,
                how,
                fifo.toString())
            .redirectError(Redirect.INHERIT)
            .start();
    assertThat(Children.output(jvm)).isEqualTo("all " + WAITING + " done\n");
    assertThat(jvm.waitFor()).isZero();
  }

  @Test
  void hundredsWaitForABudgetOnOneCarrier() throws Exception {
    Process jvm =
        Children.jvm(
                List.of(
                    "-Djdk.virtualThreadScheduler.parallelism=1",
                    "-Djdk.virtualThreadScheduler.maxPoolSize=1"),
                Line.class)
            .redirectError(Redirect.INHERIT)
            .start();
    assertThat(Children.output(jvm)).isEqualTo(WAITING + " waited, all done\n");
    assertThat(jvm.waitFor()).isZero();
  }

  @Test
  void hundredsSubmitTasksOnOneCarrier(@TempDir Path directory) throws Exception {
    Process jvm =
        Children.jvm(
                List.of(
                    "-Djdk.virtualThreadScheduler.parallelism=1",
                    "-Djdk.virtualThreadScheduler.maxPoolSize=1"),
                Submitters.class,
                directory.resolve("go").toString())
            .redirectError(Redirect.INHERIT)
            .start();
    assertThat(Children.output(jvm)).isEqualTo("all " + WAITING + " done\n");
    assertThat(jvm.waitFor()).isZero();
  }

  @Test
  void aVirtualThreadCanBeInterruptedInRun(MemoryGuard guard) throws Exception {
    CountDownLatch interrupted = new CountDownLatch(1);
    Thread thread =
        virtual(
            () -> {
              try {
                guard.run(new ProcessBuilder("sleep", "60"), MemoryLimits.none());
              } catch (InterruptedException e) {
                interrupted.countDown();
              } catch (Exception e) {
                throw new IllegalStateException(e);
              }
            });
    thread.interrupt();
    assertThat(interrupted.await(30, TimeUnit.SECONDS)).isTrue();
  }

  /** By reflection, since the tests are compiled for JDK 17. */
  private static Thread virtual(Runnable task) throws Exception {
    Method start = Thread.class.getMethod("startVirtualThread", Runnable.class);
    return (Thread) start.invoke(null, task);
  }

  /** A JVM full of virtual threads, each with a child that waits for a word. */
  static final class Crowd {
    private Crowd() {}

    public static void main(String[] arguments) throws Exception {
      String how = arguments[0];
      Path fifo = Path.of(arguments[1]);
      CountDownLatch started = new CountDownLatch(WAITING);
      List<Thread> threads = new ArrayList<>();
      try (MemoryGuard guard = MemoryGuard.create();
          RandomAccessFile held = new RandomAccessFile(fifo.toFile(), "rw")) {
        for (int i = 0; i < WAITING; i++) {
          threads.add(virtual(() -> waitForAChild(guard, how, fifo, started)));
        }
        if (!started.await(60, TimeUnit.SECONDS)) {
          System.out.println(started.getCount() + " could not start: a carrier is pinned");
          Runtime.getRuntime().halt(1);
        }
        held.write("go\n".repeat(WAITING).getBytes(StandardCharsets.UTF_8));
        for (Thread thread : threads) {
          thread.join();
        }
        System.out.println("all " + threads.size() + " done");
      }
    }

    private static void waitForAChild(
        MemoryGuard guard, String how, Path fifo, CountDownLatch started) {
      ProcessBuilder job = Children.sh("read go; echo $go").redirectInput(fifo.toFile());
      try {
        if (how.equals("run")) {
          started.countDown();
          guard.run(job, MemoryLimits.none()).orThrow();
          return;
        }
        GuardedProcess child = guard.start(job, MemoryLimits.none());
        started.countDown();
        if (how.equals("read")) {
          child.getInputStream().transferTo(OutputStream.nullOutputStream());
        }
        if (child.waitFor() != 0) {
          throw new IllegalStateException(child.toString());
        }
      } catch (Exception e) {
        throw new IllegalStateException(e);
      }
    }
  }

  /** A JVM full of virtual threads that wait in line, each for the whole budget. */
  static final class Line {
    private Line() {}

    public static void main(String[] none) throws Exception {
      MemoryBudget budget = MemoryBudget.of("64MiB");
      LaunchOptions queued = LaunchOptions.defaults().withBudget(budget);
      List<Thread> threads = new ArrayList<>();
      try (MemoryGuard guard = MemoryGuard.create()) {
        Reservation all = budget.acquire(budget.capacity());
        for (int i = 0; i < WAITING; i++) {
          threads.add(virtual(() -> runInTurn(guard, queued)));
        }
        Eventually.await("all wait", () -> budget.waiting() == WAITING);
        System.out.print(budget.waiting() + " waited, ");
        all.close();
        for (Thread thread : threads) {
          thread.join();
        }
        System.out.println(budget.waiting() == 0 ? "all done" : budget);
      }
    }

    private static void runInTurn(MemoryGuard guard, LaunchOptions queued) {
      try {
        guard.run(new ProcessBuilder("true"), MemoryLimits.of("64MiB"), queued).orThrow();
      } catch (Exception e) {
        throw new IllegalStateException(e);
      }
    }
  }

  /** A JVM full of virtual threads that submit to a pool with one worker, which has no time yet. */
  static final class Submitters {
    private Submitters() {}

    public static void main(String[] arguments) throws Exception {
      CountDownLatch started = new CountDownLatch(WAITING);
      List<Thread> threads = new ArrayList<>();
      PoolOptions options = PoolOptions.workers(1).withQueueCapacity(1);
      try (MemoryGuard guard = MemoryGuard.create();
          WorkerPool pool = guard.pool(PoolWorkers.anything(), MemoryLimits.of("64MiB"), options)) {
        CompletableFuture<byte[]> first = submit(pool, "await " + arguments[0]);
        for (int i = 0; i < WAITING; i++) {
          String task = "echo " + i;
          threads.add(
              virtual(
                  () -> {
                    started.countDown();
                    submit(pool, task).join();
                  }));
        }
        if (!started.await(60, TimeUnit.SECONDS)) {
          System.out.println(started.getCount() + " could not start: a carrier is pinned");
          Runtime.getRuntime().halt(1);
        }
        Files.createFile(Path.of(arguments[0]));
        for (Thread thread : threads) {
          thread.join();
        }
        first.join();
        System.out.println("all " + (pool.statistics().done() - 1) + " done");
      }
    }

    private static CompletableFuture<byte[]> submit(WorkerPool pool, String task) {
      try {
        return pool.submit(task.getBytes(StandardCharsets.UTF_8));
      } catch (InterruptedException e) {
        throw new IllegalStateException(e);
      }
    }
  }
}
