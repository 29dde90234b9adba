package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.MemoryEvent;
import io.memguard.outcome.MemoryEvent.Affected;
import io.memguard.outcome.MemoryEvent.Kind;
import io.memguard.outcome.Refusal;
import io.memguard.outcome.WitnessRecord;
import io.memguard.support.Children;
import io.memguard.support.WithGuard;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What workers of a child are refused is told while the child lives, with pid and command. */
@ExtendWith(WithGuard.class)
@Timeout(60)
final class RefusedInDescendantsTest {
  private static final int PATIENCE_SECONDS = 30;
  private static final MemoryLimits LIMITS = MemoryLimits.of("256MiB").withTreeMemory("4GiB");

  /** For each line one worker, which says its pid, and waits if the line says so. */
  private static final String POOL =
      """
      import os, signal, sys
      for line in sys.stdin:
        if os.fork() == 0:
          for attempt in range(int(line.split()[1])):
            try: bytearray(1 << 30)
            except MemoryError: pass
          print(os.getpid(), flush=True)
          if line.startswith("stay"): signal.pause()
          os._exit(0)
        if not line.startswith("stay"): os.wait()
      """;

  private final BlockingQueue<MemoryEvent> told = new LinkedBlockingQueue<>();
  private GuardedProcess pool;

  @AfterEach
  void end() {
    if (pool != null) {
      pool.destroyTree(Duration.ZERO).join();
    }
  }

  @Test
  void aWorkerThatLivesIsNamedWithItsCommandLine(MemoryGuard guard) throws Exception {
    long worker = start(guard).ask("stay 1");
    MemoryEvent event = next();
    assertThat(pool.isAlive()).isTrue();
    assertThat(event.kind()).isEqualTo(Kind.REFUSED);
    assertThat(event.child()).hasValue(pool.pid());
    assertThat(event.times()).isEqualTo(1);
    assertThat(event.bytes().orElseThrow()).isBetween(1L << 30, (1L << 30) + (1 << 20));
    Affected one = event.processes().get(0);
    assertThat(one.pid()).isEqualTo(worker);
    assertThat(one.name()).startsWith("python");
    assertThat(one.command())
        .get()
        .asString()
        .contains("python", " -c import os, signal, sys")
        .hasSize(200)
        .endsWith("…");
    Refusal refusal = one.refusal().orElseThrow();
    assertThat(refusal.ofMemory()).isTrue();
    assertThat(refusal.dataLimit()).hasValue(256 << 20);
    assertThat(event.explanation())
        .startsWith("process " + worker + " (")
        .containsPattern("\\) was refused 1\\.0GiB \\((mmap|malloc), ENOMEM\\)")
        .endsWith("; its RLIMIT_DATA is 256MiB");
  }

  @Test
  void aWorkerThatIsGoneIsNamedByWhatItWasCalled(MemoryGuard guard) throws Exception {
    start(guard);
    Affected one;
    int turns = 0;
    do { // a look may come between the refusal and the end
      long worker = ask("go 1");
      one = next().processes().get(0);
      assertThat(one.pid()).isEqualTo(worker);
    } while (one.command().isPresent() && ++turns < 20);
    assertThat(one.command()).isEmpty();
    assertThat(pool.isAlive()).isTrue();
  }

  @Test
  void whoIsRefusedAllTheTimeIsToldOfOnceWithTheNumber(MemoryGuard guard) throws Exception {
    start(guard).ask("stay 10000");
    long times = next().times();
    assertThat(told.poll(3, TimeUnit.SECONDS)).isNull(); // it is told again after ten seconds
    pool.destroyTree(Duration.ZERO).join();
    while (times < 10_000) { // the rest before the outcome
      times += next().times();
    }
    assertThat(times).isEqualTo(10_000);
  }

  /** There is room for 15 processes: those that were told of make room for the next. */
  @Test
  void eachOfManyShortLivedWorkersIsNamed(MemoryGuard guard) throws Exception {
    start(guard);
    Set<Long> workers = new HashSet<>();
    Set<Long> named = new HashSet<>();
    for (int batch = 0; batch < 5; batch++) {
      for (int i = 0; i < 10; i++) {
        workers.add(ask("go 1"));
      }
      while (named.size() < workers.size()) {
        MemoryEvent event = next();
        assertThat(event.processes()).as("%s", event).hasSize(1);
        assertThat(event.times()).isEqualTo(1);
        named.add(event.processes().get(0).pid());
      }
    }
    assertThat(named).isEqualTo(workers);
  }

  /** Each waits until all of its batch are there, so that they are refused at the same time. */
  private static final String BURSTS =
      """
      import os, sys
      for line in sys.stdin:
        ready, go = os.pipe()
        workers = []
        for i in range(int(line)):
          worker = os.fork()
          if worker == 0:
            os.close(go)
            os.read(ready, 1)
            try: bytearray(1 << 30)
            except MemoryError: os._exit(0)
          workers.append(worker)
        os.close(ready)
        os.close(go)
        for worker in workers: os.waitpid(worker, 0)
        print(*workers, flush=True)
      """;

  @Test
  void workersThatAreRefusedAtTheSameTimeAreNamedOnceEach(MemoryGuard guard) throws Exception {
    start(guard, BURSTS);
    List<Long> workers = new ArrayList<>();
    List<Long> named = new ArrayList<>();
    // As many as there is room for but the child and one more. Who was told of while it ended makes
    // room at the next look: that there was one, the one more shows.
    for (String batch : List.of("13", "1", "13", "1", "13", "1", "13", "1", "13", "1")) {
      say(batch);
      for (String pid : Children.line(pool.getInputStream()).split(" ", -1)) {
        workers.add(Long.parseLong(pid));
      }
      while (named.size() < workers.size()) {
        MemoryEvent event = next();
        assertThat(event.processes()).as("%s", event).hasSize(1);
        assertThat(event.times()).isEqualTo(1);
        named.add(event.processes().get(0).pid());
      }
    }
    assertThat(named).containsExactlyInAnyOrderElementsOf(workers);
    pool.destroyTree(Duration.ZERO).join();
    WitnessRecord noted = pool.outcome().join().evidence().witness().orElseThrow();
    assertThat(told).as("nobody is told of twice").isEmpty();
    assertThat(noted.refusals()).isEqualTo(workers.size());
    assertThat(noted.withoutRoom()).isZero();
    assertThat(noted.processes().stream().map(one -> (long) one.pid()))
        .as("the last are in the evidence")
        .containsAll(workers.subList(workers.size() - 14, workers.size()));
  }

  @Test
  void aListenerThatBlocksIsToldTheSum(MemoryGuard guard) throws Exception {
    CountDownLatch mayGoOn = new CountDownLatch(1);
    pool =
        guard.start(
            Children.python(POOL),
            LIMITS,
            LaunchOptions.defaults()
                .withMemoryListener(
                    event -> {
                      told.add(event);
                      await(mayGoOn);
                    }));
    ask("go 1");
    next();
    for (int i = 0; i < 30; i++) { // there is room for 14
      ask("go 1");
    }
    TimeUnit.SECONDS.sleep(3); // some looks: nothing may pile up
    mayGoOn.countDown();
    Set<Long> named = new HashSet<>();
    long times = 0;
    while (times < 30) {
      MemoryEvent event = next();
      event.processes().forEach(one -> named.add(one.pid()));
      times += event.times();
    }
    assertThat(times).isEqualTo(30);
    assertThat(named).hasSizeBetween(13, 14);
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void whomThereIsNoRoomForIsCounted(MemoryGuard guard) throws Exception {
    GuardedProcess many =
        guard.start(
            Children.python(
                """
                import os
                for i in range(20):
                  if os.fork() == 0:
                    try: bytearray(1 << 30)
                    except MemoryError: os._exit(0)
                  os.wait()
                """),
            LIMITS,
            LaunchOptions.defaults().withMemoryListener(told::add));
    many.waitFor();
    int named = (int) told.stream().filter(event -> !event.processes().isEmpty()).count();
    long unnamed =
        told.stream()
            .filter(event -> event.processes().isEmpty())
            .mapToLong(MemoryEvent::times)
            .sum();
    assertThat(named).isGreaterThanOrEqualTo(14);
    assertThat(named + unnamed).isEqualTo(20);
  }

  @ParameterizedTest
  @ValueSource(strings = {"bytearray(1 << 30)", "bytearray(1 << 29); bytearray(1 << 30)"})
  void theChildItselfIsToldOfBeforeItsOutcome(String greedy, MemoryGuard guard) throws Exception {
    ProcessBuilder job = Children.python(greedy).redirectErrorStream(true);
    pool = guard.start(job, LIMITS, LaunchOptions.defaults().withMemoryListener(told::add));
    pool.outcome().join();
    assertThat(told).hasSize(1);
    assertThat(next().processes().get(0).pid()).isEqualTo(pool.pid());
  }

  private RefusedInDescendantsTest start(MemoryGuard guard) throws IOException {
    return start(guard, POOL);
  }

  private RefusedInDescendantsTest start(MemoryGuard guard, String program) throws IOException {
    pool =
        guard.start(
            Children.python(program),
            LIMITS,
            LaunchOptions.defaults().withMemoryListener(told::add));
    return this;
  }

  /** Has the pool start a worker, and returns its pid when it was refused all. */
  private long ask(String line) throws IOException {
    say(line);
    return Long.parseLong(Children.line(pool.getInputStream()));
  }

  private void say(String line) throws IOException {
    OutputStream stdin = pool.getOutputStream();
    stdin.write((line + "\n").getBytes(StandardCharsets.US_ASCII));
    stdin.flush();
  }

  private MemoryEvent next() throws InterruptedException {
    MemoryEvent event = told.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
    assertThat(event).as("told").isNotNull();
    return event;
  }
}
