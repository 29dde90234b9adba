package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.launch.LaunchException;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;
import io.memguard.support.Children;
import io.memguard.support.Engines;
import io.memguard.support.Eventually;
import io.memguard.support.Proc;
import io.memguard.support.Traces;
import io.memguard.support.WithGuard;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/** Launches leave no zombie, thread, descriptor or temp file, however many there are. */
@ExtendWith(WithGuard.class)
@Timeout(120)
final class NothingIsLeftTest {
  private static final int THREADS = 8;

  /** Each of the portable engine's launches is a shell, prlimit and the program. */
  private static final int LAUNCHES = Engines.isNative() ? 5_000 : 1_000;

  @Test
  void byThousandsOfLaunchesFromManyThreads(MemoryGuard guard) throws Exception {
    ProcessBuilder job = new ProcessBuilder("/bin/true");
    guard.run(job, MemoryLimits.of("1GiB"));
    haveAllThatAGuardKeeps(guard);
    Traces before = Traces.begin();
    ExecutorService threads = Executors.newFixedThreadPool(THREADS);
    Callable<Boolean> launches =
        () -> {
          for (int i = 0; i < LAUNCHES / THREADS; i++) {
            boolean started = i % 2 == 0;
            int exit =
                started
                    ? guard.start(job, MemoryLimits.of("1GiB")).waitFor()
                    : guard.run(job, MemoryLimits.of("1GiB")).evidence().status().exitValue();
            assertThat(exit).isZero();
          }
          return true;
        };
    List<Future<Boolean>> all = new ArrayList<>();
    for (int i = 0; i < THREADS; i++) {
      all.add(threads.submit(launches));
    }
    for (Future<Boolean> each : all) {
      assertThat(each.get()).isTrue();
    }
    threads.shutdown();
    before.assertNothingIsLeft();
  }

  /** The last that it opens is what is asked before children's memory is looked at. */
  private static void haveAllThatAGuardKeeps(MemoryGuard guard) throws Exception {
    GuardedProcess child = guard.start(new ProcessBuilder("sleep", "60"), MemoryLimits.of("1GiB"));
    Eventually.await(
        "it is looked at",
        () -> Proc.openFiles().stream().anyMatch(file -> file.endsWith("/proc/vmstat")));
    child.destroyForcibly().waitFor();
  }

  /** Whoever runs an application in a group of threads may wait until all of them have ended. */
  @Test
  void inTheApplicationsGroupOfThreads() throws Exception {
    ThreadGroup application = new ThreadGroup("application");
    List<Outcome> outcomes = new CopyOnWriteArrayList<>();
    List<Thread> timers = new CopyOnWriteArrayList<>();
    Thread main =
        new Thread(
            application,
            () -> {
              try (MemoryGuard guard = MemoryGuard.create()) {
                LaunchOptions options = LaunchOptions.defaults().withTimeout(Duration.ofMillis(50));
                ProcessBuilder job = new ProcessBuilder("sleep", "60");
                outcomes.add(guard.run(job, MemoryLimits.of("1GiB"), options));
                guard.start(job, MemoryLimits.of("1GiB"), options.withTimeout(Duration.ofHours(1)));
                timers.addAll(running("memguard-elsewhere"));
              } catch (LaunchException | InterruptedException e) {
                throw new AssertionError(e);
              }
            });
    main.start();
    main.join();
    assertThat(outcomes).hasOnlyElementsOfType(Outcome.TimedOut.class).hasSize(1);
    assertThat(timers).isNotEmpty().noneMatch(timer -> timer.getThreadGroup() == application);
    Eventually.await("all have ended", () -> application.activeCount() == 0);
  }

  private static List<Thread> running(String name) {
    return Thread.getAllStackTraces().keySet().stream()
        .filter(thread -> thread.getName().equals(name))
        .toList();
  }

  @Test
  void byAGuardThatIsClosed() throws Exception {
    Traces before = Traces.begin();
    try (MemoryGuard guard = MemoryGuard.create()) {
      guard.run(Children.sh("echo out; echo err >&2"), MemoryLimits.of("1GiB"));
      guard.start(new ProcessBuilder("sleep", "60"), MemoryLimits.of("1GiB"));
      guard.start(new ProcessBuilder("cat"), MemoryLimits.of("1GiB")).destroy();
    }
    before.assertNothingIsLeft();
  }

  @Test
  void byGuardsThatComeAndGo() {
    MemoryGuard.create().close();
    Traces before = Traces.begin();
    for (int i = 0; i < 20; i++) {
      MemoryGuard.create().close();
    }
    before.assertNothingIsLeft();
  }

  @Test
  void noThreadOfMemguardsWithoutAGuard() throws Exception {
    Process jvm = Children.jvm(List.of(), Threads.class).start();
    assertThat(Children.output(jvm)).isEqualTo("[]\n");
    assertThat(jvm.waitFor()).isZero();
  }

  /** A JVM of its own: here other tests' guards have their threads. */
  static final class Threads {
    private Threads() {}

    public static void main(String[] none) throws Exception {
      try (MemoryGuard guard = MemoryGuard.create()) {
        guard.run(Children.sh("sleep 0 & exit 1"), MemoryLimits.of("1GiB"));
        guard.start(new ProcessBuilder("sleep", "60"), MemoryLimits.of("1GiB"));
      }
      Eventually.await("memguard's threads have ended", () -> ours().isEmpty());
      System.out.println(ours());
    }

    private static List<String> ours() {
      return Traces.threads().stream().filter(name -> name.startsWith("memguard")).toList();
    }
  }
}
