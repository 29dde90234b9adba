package io.memguard;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import io.memguard.events.ChildEnd;
import io.memguard.events.ChildLaunch;
import io.memguard.events.FailedLaunch;
import io.memguard.events.MemoryGuardListener;
import io.memguard.events.WhatNext;
import io.memguard.launch.LaunchException;
import io.memguard.limits.GuardOptions;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.MemoryEvent;
import io.memguard.outcome.MemoryEvent.Kind;
import io.memguard.outcome.Outcome;
import io.memguard.platform.jfr.Recorder;
import io.memguard.platform.kernellog.OomVictims;
import io.memguard.recover.PoolOptions;
import io.memguard.recover.RetryPolicy;
import io.memguard.recover.WorkerPool;
import io.memguard.support.Children;
import io.memguard.support.Eventually;
import io.memguard.support.Logged;
import io.memguard.support.PoolWorkers;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.IntSupplier;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Who listens to a guard is told of all its children, in order, and can do no harm. */
@Timeout(60)
final class MemoryGuardListenerTest {
  private static final MemoryLimits LIMITS = MemoryLimits.of("64MiB");
  private static final String GREEDY = "bytearray(600 << 20)";

  /** Notes all that it is told, and on which thread. */
  private static final class Notes implements MemoryGuardListener {
    final List<Object> told = new CopyOnWriteArrayList<>();
    final List<String> threads = new CopyOnWriteArrayList<>();

    private void note(Object event) {
      told.add(event);
      threads.add(Thread.currentThread().getName());
    }

    @Override
    public void launched(ChildLaunch launch) {
      note(launch);
    }

    @Override
    public void launchFailed(FailedLaunch failure) {
      note(failure);
    }

    @Override
    public void memory(MemoryEvent event) {
      note(event);
    }

    @Override
    public void ended(ChildEnd end) {
      note(end);
    }

    List<ChildEnd> ends() {
      return all(ChildEnd.class);
    }

    <T> List<T> all(Class<T> type) {
      return told.stream().filter(type::isInstance).map(type::cast).toList();
    }
  }

  @TempDir private Path directory;
  private final Notes notes = new Notes();

  @Test
  void ofOneChildAllIsToldInOrderOnOneThread() throws Exception {
    Outcome outcome;
    try (MemoryGuard guard = guard(notes)) {
      outcome =
          guard.run(Children.python(GREEDY), LIMITS, LaunchOptions.defaults().withName("greedy"));
    }
    long pid = outcome.evidence().pid();
    assertThat(notes.told).hasSize(3);
    assertThat(notes.told.get(0))
        .isInstanceOfSatisfying(
            ChildLaunch.class,
            launch -> {
              assertThat(launch.name()).isEqualTo("greedy");
              assertThat(launch.pid()).isEqualTo(pid);
              assertThat(launch.program()).isEqualTo(outcome.evidence().program());
              assertThat(launch.limits()).isEqualTo(LIMITS);
              assertThat(launch.took()).isBetween(Duration.ofNanos(1), Duration.ofSeconds(20));
            });
    assertThat(notes.told.get(1))
        .isInstanceOfSatisfying(
            MemoryEvent.class,
            event -> {
              assertThat(event.kind()).isEqualTo(Kind.REFUSED);
              assertThat(event.child()).hasValue(pid);
            });
    assertThat(notes.told.get(2))
        .isInstanceOfSatisfying(
            ChildEnd.class,
            end -> {
              assertThat(end.name()).isEqualTo("greedy");
              assertThat(end.outcome()).isEqualTo(outcome);
              assertThat(end.next()).isEqualTo(WhatNext.NOTHING);
              assertThat(end.limitBytes()).hasValue(64L << 20);
              assertThat(end.refusedBytes().orElseThrow()).isGreaterThanOrEqualTo(600L << 20);
              assertThat(end.peakBytes()).isPresent();
            });
    assertThat(notes.threads).containsOnly("memguard-events");
  }

  @Test
  void anAttemptThatIsTriedAgainSaysSo() throws Exception {
    try (MemoryGuard guard = guard(notes)) {
      guard.run(
          Children.python("bytearray(100 << 20)"),
          LIMITS,
          RetryPolicy.onOutOfMemory().maxAttempts(3).growBy(4).upTo("256MiB"));
      guard.run(Children.sh("exit 3"), LIMITS, RetryPolicy.never().otherFailures(2));
    }
    assertThat(notes.ends())
        .extracting(ChildEnd::attempt, ChildEnd::next, end -> end.nextLimitBytes().orElse(0) >> 20)
        .containsExactly(
            tuple(1, WhatNext.RETRY, 256L),
            tuple(2, WhatNext.NOTHING, 0L),
            tuple(1, WhatNext.RETRY, 64L),
            tuple(2, WhatNext.GIVE_UP, 0L));
    List<Object> order = new ArrayList<>();
    for (Object each : notes.told) {
      if (!(each instanceof MemoryEvent)) {
        order.add(each.getClass());
      }
    }
    assertThat(order)
        .as("one after the other")
        .containsExactly(
            ChildLaunch.class,
            ChildEnd.class,
            ChildLaunch.class,
            ChildEnd.class,
            ChildLaunch.class,
            ChildEnd.class,
            ChildLaunch.class,
            ChildEnd.class);
  }

  @Test
  void aLaunchThatFailsIsTold() throws Exception {
    try (MemoryGuard guard = guard(notes)) {
      ProcessBuilder none = new ProcessBuilder("/nowhere/at-all", "argument");
      assertThatExceptionOfType(LaunchException.class).isThrownBy(() -> guard.run(none, LIMITS));
      assertThatExceptionOfType(LaunchException.class).isThrownBy(() -> guard.start(none, LIMITS));
      assertThatExceptionOfType(LaunchException.class)
          .isThrownBy(() -> guard.run(none, LIMITS, RetryPolicy.onOutOfMemory()));
      assertThatExceptionOfType(LaunchException.class)
          .isThrownBy(() -> guard.start(new ProcessBuilder(), LIMITS));
    }
    assertThat(notes.told).hasSize(4).hasOnlyElementsOfType(FailedLaunch.class);
    assertThat(notes.all(FailedLaunch.class).subList(0, 3))
        .allSatisfy(
            failure -> {
              assertThat(failure.name()).isEqualTo("at-all");
              assertThat(failure.errno()).isEqualTo("ENOENT");
              assertThat(failure.step()).isEqualTo("exec");
              assertThat(failure.message()).contains("/nowhere/at-all");
            });
    assertThat(notes.all(FailedLaunch.class))
        .extracting(FailedLaunch::next)
        .containsExactly(WhatNext.NOTHING, WhatNext.NOTHING, WhatNext.GIVE_UP, WhatNext.NOTHING);
    assertThat(notes.all(FailedLaunch.class).get(3).step()).isEqualTo("prepare");
  }

  @Test
  void whenAGuardIsClosedAllWasTold() throws Exception {
    int many = 50;
    try (MemoryGuard guard = guard(notes)) {
      for (int i = 0; i < many; i++) {
        guard.start(Children.sh("exec sleep 600"), LIMITS);
      }
    }
    assertThat(notes.all(ChildLaunch.class)).hasSize(many);
    assertThat(notes.ends())
        .hasSize(many)
        .allSatisfy(end -> assertThat(end.outcome()).isInstanceOf(Outcome.Cancelled.class));
    for (ChildLaunch launch : notes.all(ChildLaunch.class)) {
      assertThat(notes.told.indexOf(launch)).isLessThan(indexOfEnd(launch.pid()));
    }
  }

  private int indexOfEnd(long pid) {
    for (int i = 0; i < notes.told.size(); i++) {
      if (notes.told.get(i) instanceof ChildEnd end && end.outcome().evidence().pid() == pid) {
        return i;
      }
    }
    return -1;
  }

  @Test
  void whoIsInterruptedHasToldAllTheSame() throws Exception {
    try (MemoryGuard guard = guard(notes)) {
      Thread runs =
          new Thread(
              () -> {
                try {
                  guard.run(Children.sh("exec sleep 600"), LIMITS, RetryPolicy.onOutOfMemory());
                } catch (LaunchException | InterruptedException e) {
                  Thread.currentThread().interrupt();
                }
              });
      runs.start();
      Eventually.await("it was launched", () -> !notes.told.isEmpty());
      runs.interrupt();
      runs.join();
      Eventually.await("its end is told", () -> notes.ends().size() == 1);
    }
    assertThat(notes.ends().get(0).outcome()).isInstanceOf(Outcome.Cancelled.class);
  }

  /** Each attempt is a child, and the one that runs knows which it is. */
  @Test
  void whoIsInterruptedInASecondAttemptSaysSo() throws Exception {
    Path second = directory.resolve("second");
    try (MemoryGuard guard = guard(notes)) {
      Thread runs =
          new Thread(
              () -> {
                try {
                  guard.run(
                      Children.sh("[ -e $1 ] && exec sleep 600; >$1; exit 3", second.toString()),
                      LIMITS,
                      RetryPolicy.never().otherFailures(3));
                } catch (LaunchException | InterruptedException e) {
                  Thread.currentThread().interrupt();
                }
              });
      runs.start();
      Eventually.await("the second runs", () -> notes.all(ChildLaunch.class).size() == 2);
      runs.interrupt();
      runs.join();
    }
    assertThat(notes.ends())
        .extracting(ChildEnd::attempt, ChildEnd::next)
        .containsExactly(tuple(1, WhatNext.RETRY), tuple(2, WhatNext.NOTHING));
  }

  /** It is asked first, so that nobody is told of an attempt that is not made. */
  @Test
  void aPolicysListenerThatStopsTheRetryingIsHeard() throws Exception {
    RetryPolicy stopped =
        RetryPolicy.never()
            .otherFailures(3)
            .listener(
                attempt -> {
                  throw new IllegalStateException("no more");
                });
    try (MemoryGuard guard = guard(notes)) {
      assertThatIllegalStateException()
          .isThrownBy(() -> guard.run(Children.sh("exit 3"), LIMITS, stopped));
    }
    assertThat(notes.ends())
        .extracting(ChildEnd::attempt, ChildEnd::next)
        .containsExactly(tuple(1, WhatNext.GIVE_UP));
  }

  @Test
  void aGuardThatOpensSaysHowManyItHas() throws Exception {
    List<IntSupplier> guards = new ArrayList<>();
    MemoryGuardListener counting =
        new MemoryGuardListener() {
          @Override
          public void guardOpened(IntSupplier living) {
            guards.add(living);
          }
        };
    try (MemoryGuard guard = guard(counting)) {
      assertThat(guards).singleElement().extracting(IntSupplier::getAsInt).isEqualTo(0);
      GuardedProcess child = guard.start(Children.sh("read line"), LIMITS);
      guard.start(Children.sh("exec sleep 600"), LIMITS);
      assertThat(guards.get(0).getAsInt()).isEqualTo(2);
      child.getOutputStream().close();
      child.waitFor();
      Eventually.await("one is left", () -> guards.get(0).getAsInt() == 1);
    }
    assertThat(guards.get(0).getAsInt()).isZero();
  }

  @Test
  void aListenerThatThrowsHarmsNobody() throws Exception {
    MemoryGuardListener failing =
        new MemoryGuardListener() {
          @Override
          public void launched(ChildLaunch launch) {
            throw new IllegalStateException("on purpose");
          }

          @Override
          public void memory(MemoryEvent event) {
            throw new AssertionError("on purpose");
          }

          @Override
          public void ended(ChildEnd end) {
            throw new IllegalStateException("on purpose");
          }
        };
    try (Logged logged = Logged.by("io.memguard.MemoryEvents");
        MemoryGuard guard =
            MemoryGuard.create(GuardOptions.defaults().withListener(failing).withListener(notes))) {
      Outcome outcome = guard.run(Children.python(GREEDY), LIMITS);
      assertThat(outcome).isInstanceOf(Outcome.OutOfMemory.class);
      Eventually.await("the other one is told all", () -> notes.told.size() == 3);
      assertThat(logged.all())
          .filteredOn(line -> line.getThrowableProxy() != null)
          .as("what it threw is logged")
          .hasSize(3);
    }
  }

  /** Nothing happened to the memory of its children. */
  @Test
  void aListenerThatBlocksHoldsNobodyUp() throws Exception {
    CountDownLatch never = new CountDownLatch(1);
    AtomicInteger ends = new AtomicInteger();
    MemoryGuardListener blocking =
        new MemoryGuardListener() {
          @Override
          public void launched(ChildLaunch launch) {
            awaitQuietly(never);
          }

          @Override
          public void ended(ChildEnd end) {
            ends.incrementAndGet();
          }
        };
    int many = 20;
    long began = System.nanoTime();
    try (MemoryGuard guard = guard(blocking)) {
      for (int i = 0; i < many; i++) {
        assertThat(guard.run(Children.sh("exit 0"), LIMITS).isSuccess()).isTrue();
      }
      assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofSeconds(10));
      assertThat(ends).hasValue(0);
      never.countDown();
      Eventually.await("all is told in the end", () -> ends.get() == many);
    }
  }

  /** What is kept for it would fill the heap. */
  @Test
  void whatIsKeptForAListenerThatBlocksIsBounded() {
    CountDownLatch never = new CountDownLatch(1);
    List<String> told = new CopyOnWriteArrayList<>();
    Consumer<MemoryEvent> blocking = event -> awaitQuietly(never);
    try (Logged logged = Logged.by("io.memguard.MemoryEvents");
        MemoryEvents events =
            new MemoryEvents(
                Optional.empty(),
                OomVictims.unknown(),
                List.of(MemoryGuardListener.ofMemory(blocking)),
                Recorder.NONE)) {
      events.tell(Kind.PRESSURE, 1);
      for (int i = 0; i < 1500; i++) {
        events.tell(listener -> told.add("one"));
      }
      never.countDown();
      Eventually.await("what was kept is told", () -> told.size() >= 999);
      events.tell(listener -> told.add("last"));
      Eventually.await("it is told again", () -> told.contains("last"));
      assertThat(told).hasSizeBetween(1000, 1002);
      for (String said : List.of(".*is not told all", ".*was not told of (499|500|501) events")) {
        Eventually.await(
            said,
            () -> logged.all().stream().anyMatch(line -> line.getFormattedMessage().matches(said)));
      }
    }
  }

  private static void awaitQuietly(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  @Test
  void workersOfAPoolAreChildrenAsWell() throws Exception {
    try (MemoryGuard guard = guard(notes)) {
      RetryPolicy retry = RetryPolicy.onOutOfMemory().maxAttempts(2).growBy(4).upTo("256MiB");
      PoolOptions options = PoolOptions.workers(1).withRetry(retry);
      try (WorkerPool pool = guard.pool(PoolWorkers.anything(), LIMITS, options)) {
        assertThat(pool.submit("echo hello".getBytes(UTF_8)).get()).asString().isEqualTo("hello");
        assertThat(pool.submit("eat 100".getBytes(UTF_8)).get()).isNotEmpty();
        assertThatThrownBy(() -> pool.submit("eat 600".getBytes(UTF_8)).get())
            .isInstanceOf(ExecutionException.class);
      }
    }
    assertThat(notes.ends())
        .filteredOn(end -> end.cause().isPresent())
        .extracting(ChildEnd::next)
        .containsExactly(WhatNext.RETRY, WhatNext.QUARANTINE);
    assertThat(notes.ends()).hasSameSizeAs(notes.all(ChildLaunch.class));
    assertThat(notes.ends().get(0).nextLimitBytes()).hasValue(256L << 20);
    assertThat(notes.ends().get(0).attempt()).isEqualTo(1);
  }

  private static MemoryGuard guard(MemoryGuardListener listener) {
    return MemoryGuard.create(GuardOptions.defaults().withListener(listener));
  }
}
