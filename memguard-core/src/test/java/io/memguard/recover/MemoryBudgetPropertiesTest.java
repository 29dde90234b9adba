package io.memguard.recover;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.MemorySource.Request;
import io.memguard.limits.MemorySource.Reservation;
import io.memguard.support.Eventually;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.EnabledForJreRange;
import org.junit.jupiter.api.condition.JRE;

/**
 * Whatever happens in whatever order, the budget is never exceeded, nothing is lost, and nobody is
 * starved. Each run has another seed, which a failure tells; {@code -Dmemguard.seed=N} repeats it.
 */
@Tag("engine-independent")
@Timeout(120)
final class MemoryBudgetPropertiesTest {
  private static final long SEED = Long.getLong("memguard.seed", System.nanoTime());
  private static final int SEQUENCES = 2_000;
  private static final int STEPS = 60;
  private static final int THREADS = 16;
  private static final int ROUNDS = 1_500;
  private static final int WHOLE = 200;
  private static final int CAPACITY = 1_000;

  /** One after the other, beside a model that is as simple as can be. */
  @Test
  void doesWhatAListWouldDo() throws Exception {
    for (int i = 0; i < SEQUENCES; i++) {
      new Modelled(SEED + i).run();
    }
  }

  @Test
  void holdsForManyThreads() throws Exception {
    crowd(Executors.newFixedThreadPool(THREADS + 1));
  }

  @Test
  @EnabledForJreRange(min = JRE.JAVA_21, disabledReason = "before 21 there are no virtual threads")
  void holdsForManyVirtualThreads() throws Exception {
    // by reflection, since the tests are compiled for JDK 17
    crowd(
        (ExecutorService)
            Executors.class.getMethod("newVirtualThreadPerTaskExecutor").invoke(null));
  }

  private static void crowd(ExecutorService threads) throws Exception {
    MemoryBudget budget = MemoryBudget.of(CAPACITY);
    AtomicLong held = new AtomicLong();
    List<Future<?>> all = new ArrayList<>();
    for (int i = 0; i < THREADS; i++) {
      Worker worker = new Worker(budget, held, new Random(SEED + i));
      all.add(
          threads.submit(
              () -> {
                worker.work();
                return null;
              }));
    }
    all.add(
        threads.submit(
            () -> { // who wants everything is not starved by the others
              for (int i = 0; i < WHOLE; i++) {
                use(budget.acquire(CAPACITY), held);
              }
              return null;
            }));
    for (Future<?> each : all) {
      each.get(100, TimeUnit.SECONDS);
    }
    threads.shutdown();
    assertThat(threads.awaitTermination(30, TimeUnit.SECONDS)).isTrue();
    Eventually.await(
        () -> "all is given back, seed " + SEED + ": " + budget,
        () -> budget.available() == CAPACITY && budget.waiting() == 0);
    assertThat(held).hasValue(0);
  }

  private static void use(Reservation memory, AtomicLong held) {
    assertThat(held.addAndGet(memory.bytes())).as("seed %d", SEED).isLessThanOrEqualTo(CAPACITY);
    LockSupport.parkNanos(1); // the others have a chance
    held.addAndGet(-memory.bytes());
    memory.close();
    memory.close();
  }

  /** One of many, that asks in every way, and gives up in every way. */
  private record Worker(MemoryBudget budget, AtomicLong held, Random random) {
    void work() throws Exception {
      for (int i = 0; i < ROUNDS; i++) {
        ask(1 + random.nextInt(random.nextInt(10) == 0 ? CAPACITY : CAPACITY / 10));
      }
    }

    private void ask(int bytes) throws Exception {
      switch (random.nextInt(6)) {
        case 0 -> use(budget.acquire(bytes), held);
        case 1 -> budget.tryAcquire(bytes).ifPresent(memory -> use(memory, held));
        case 2 -> within(bytes);
        case 3 -> interrupted(bytes);
        case 4 -> cancelled(bytes);
        default -> useAsync(bytes);
      }
    }

    private void within(int bytes) throws InterruptedException {
      try {
        use(budget.acquire(bytes, Duration.ofNanos(random.nextInt(200_000))), held);
      } catch (TimeoutException e) {
        // then not
      }
    }

    private void interrupted(int bytes) {
      Thread.currentThread().interrupt();
      try {
        use(budget.acquire(bytes), held);
      } catch (InterruptedException e) {
        return;
      }
      Thread.interrupted();
    }

    private void cancelled(int bytes) throws InterruptedException {
      CompletableFuture<Reservation> asked = budget.acquireAsync(bytes);
      if (random.nextBoolean()) {
        LockSupport.parkNanos(1); // the others have a chance
      }
      if (asked.cancel(true)) {
        return;
      }
      use(asked.join(), held);
    }

    private void useAsync(int bytes) throws InterruptedException, ExecutionException {
      use(budget.acquireAsync(bytes).get(), held);
    }
  }

  /** A random sequence of requests, withdrawals and returns, and what must come of each. */
  private static final class Modelled {
    private final long seed;
    private final Random random;
    private final int capacity;
    private final MemoryBudget budget;
    private final List<Asked> waiting = new ArrayList<>();
    private final List<Asked> given = new ArrayList<>();
    private final List<Reservation> held = new ArrayList<>();
    private long free;

    private record Asked(Request request, long bytes) {}

    Modelled(long seed) {
      this.seed = seed;
      random = new Random(seed);
      capacity = 1 + random.nextInt(100);
      budget = MemoryBudget.of(capacity);
      free = capacity;
    }

    void run() throws Exception {
      for (int i = 0; i < STEPS; i++) {
        step();
        serve();
        check();
      }
      while (!waiting.isEmpty() || !given.isEmpty() || !held.isEmpty()) {
        while (!given.isEmpty()) {
          take(given.remove(0));
        }
        if (!held.isEmpty()) {
          giveBack(0);
        }
        serve();
        check();
      }
      assertThat(budget.available()).as("seed %d", seed).isEqualTo(capacity);
    }

    private void step() throws Exception {
      int choice = random.nextInt(10);
      if (choice < 4) {
        long bytes = 1L + random.nextInt(capacity);
        waiting.add(new Asked(budget.request(bytes), bytes));
      } else if (choice < 6 && !given.isEmpty()) {
        take(given.remove(random.nextInt(given.size())));
      } else if (choice < 8 && !held.isEmpty()) {
        giveBack(random.nextInt(held.size()));
      } else if (choice == 8 && !waiting.isEmpty()) {
        Asked one = waiting.remove(random.nextInt(waiting.size()));
        assertThat(one.request().withdraw()).as("seed %d", seed).isTrue();
      } else if (!waiting.isEmpty()) {
        timeOut(waiting.remove(random.nextInt(waiting.size())));
      }
    }

    private void take(Asked one) throws Exception {
      assertThat(one.request().withdraw()).as("seed %d", seed).isFalse();
      Reservation memory = one.request().await(Duration.ZERO);
      assertThat(memory.bytes()).isEqualTo(one.bytes());
      held.add(memory);
    }

    private void giveBack(int index) {
      Reservation memory = held.remove(index);
      memory.close();
      memory.close();
      free += memory.bytes();
    }

    private void timeOut(Asked one) throws InterruptedException {
      try {
        throw new AssertionError(
            "seed " + seed + ": out of turn " + one.request().await(Duration.ZERO));
      } catch (TimeoutException e) {
        // it has left the line
      }
    }

    private void serve() {
      while (!waiting.isEmpty() && waiting.get(0).bytes() <= free) {
        free -= waiting.get(0).bytes();
        given.add(waiting.remove(0));
      }
    }

    private void check() {
      assertThat(budget.available()).as("seed %d", seed).isEqualTo(free);
      assertThat(budget.waiting()).as("seed %d", seed).isEqualTo(waiting.size());
    }
  }
}
