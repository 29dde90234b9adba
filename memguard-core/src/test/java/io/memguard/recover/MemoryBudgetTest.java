package io.memguard.recover;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.memguard.limits.MemorySource.Request;
import io.memguard.limits.MemorySource.Reservation;
import io.memguard.support.Eventually;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Who gets memory, who waits for whom, and how it comes back. */
@Tag("engine-independent")
@Timeout(60)
final class MemoryBudgetTest {
  private static final Duration LONG = Duration.ofSeconds(30);
  private final MemoryBudget budget = MemoryBudget.of(100);

  @AfterEach
  void nobodyIsLeftInLine() {
    assertThat(budget.waiting()).isZero();
  }

  @Test
  void givesWhatIsFreeAndTakesItBack() throws Exception {
    try (Reservation memory = budget.acquire(60)) {
      assertThat(memory.bytes()).isEqualTo(60);
      assertThat(budget.available()).isEqualTo(40);
    }
    assertThat(budget.available()).isEqualTo(100);
  }

  @Test
  void theWholeBudgetCanBeHad() throws Exception {
    budget.acquire(100).close();
  }

  @Test
  void onlyTheFirstCloseCounts() throws Exception {
    Reservation first = budget.acquire(60);
    first.close();
    Reservation second = budget.acquire(60);
    first.close();
    assertThat(budget.available()).isEqualTo(40);
    second.close();
  }

  @ParameterizedTest
  @ValueSource(longs = {101, Long.MAX_VALUE})
  void refusesWhatItCanNeverGiveWithTheArithmetic(long bytes) throws Exception {
    try (Reservation held = budget.acquire(1)) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> budget.acquire(bytes))
          .withMessageContaining("more than the whole budget")
          .withMessageContaining("= 100B       for children");
      assertThat(budget.available()).isEqualTo(100 - held.bytes());
    }
  }

  @ParameterizedTest
  @ValueSource(longs = {0, -1, Long.MIN_VALUE})
  void refusesWhatIsNoAmount(long bytes) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> budget.acquireAsync(bytes))
        .withMessageContaining("a request of " + bytes + " bytes is not positive")
        .withMessageContaining("allowed is 1 to 100 bytes");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> MemoryBudget.of(bytes))
        .withMessageContaining("a budget of " + bytes + " bytes is not positive");
  }

  @Test
  void servesInTheOrderOfTheRequests() throws Exception {
    Reservation all = budget.acquire(100);
    Request large = budget.request(90);
    Request small = budget.request(10);
    Request another = budget.request(10);
    all.close();
    Reservation first = large.await(Duration.ZERO);
    Reservation second = small.await(Duration.ZERO);
    assertThatExceptionOfType(TimeoutException.class)
        .isThrownBy(() -> another.await(Duration.ZERO));
    first.close();
    second.close();
  }

  @Test
  void nobodyOvertakesALargeRequestWithASmallOne() throws Exception {
    Reservation held = budget.acquire(50);
    Request large = budget.request(60);
    assertThat(budget.tryAcquire(1)).isEmpty();
    Request small = budget.request(1);
    assertThatExceptionOfType(TimeoutException.class)
        .isThrownBy(() -> small.await(Duration.ofMillis(1)))
        .withMessageContaining("1B were not to be had from the budget within PT0.001S")
        .withMessageContaining("50B of 100B are free, and 1 request is waiting");
    held.close();
    large.await(Duration.ZERO).close();
  }

  @Test
  void whoGivesUpAtTheHeadLetsTheNextIn() throws Exception {
    Reservation held = budget.acquire(50);
    Request large = budget.request(60);
    Request small = budget.request(10);
    assertThat(large.withdraw()).isTrue();
    assertThat(large.withdraw()).isFalse();
    small.await(Duration.ZERO).close();
    held.close();
    assertThatExceptionOfType(CancellationException.class)
        .isThrownBy(() -> large.await(Duration.ZERO));
    assertThat(budget.available()).isEqualTo(100);
  }

  @Test
  void aTimeoutAtTheHeadLetsTheNextIn() throws Exception {
    Reservation held = budget.acquire(50);
    Request large = budget.request(60);
    Request small = budget.request(10);
    assertThatExceptionOfType(TimeoutException.class)
        .isThrownBy(() -> large.await(Duration.ofMillis(1)));
    small.await(Duration.ZERO).close();
    held.close();
  }

  @Test
  void whatIsFreeIsGivenToTheOneInterruptedToo() throws Exception {
    Thread.currentThread().interrupt();
    budget.acquire(100).close();
    assertThat(Thread.interrupted()).isTrue();
  }

  @Test
  void whoWaitsCanBeInterrupted() throws Exception {
    Reservation held = budget.acquire(50);
    AtomicReference<Throwable> thrown = new AtomicReference<>();
    Thread waiter =
        new Thread(
            () -> {
              try {
                budget.acquire(60).close();
              } catch (Throwable e) {
                thrown.set(e);
              }
            });
    waiter.start();
    Eventually.await("it waits", () -> budget.waiting() == 1);
    Request next = budget.request(50);
    waiter.interrupt();
    waiter.join();
    assertThat(thrown.get()).isInstanceOf(InterruptedException.class);
    next.await(LONG).close();
    held.close();
    assertThat(budget.available()).isEqualTo(100);
  }

  @Test
  void whoWaitsIsWokenByAWithdrawal() throws Exception {
    Reservation held = budget.acquire(100);
    Request request = budget.request(1);
    CompletableFuture<Reservation> waiting =
        CompletableFuture.supplyAsync(
            () -> {
              try {
                return request.await(LONG);
              } catch (InterruptedException | TimeoutException e) {
                throw new IllegalStateException(e);
              }
            });
    assertThat(request.withdraw()).isTrue();
    assertThatExceptionOfType(CompletionException.class)
        .isThrownBy(waiting::join)
        .withCauseInstanceOf(CancellationException.class);
    held.close();
  }

  @Test
  void memoryIsGivenToWhomDoesNotWaitYet() throws Exception {
    Reservation held = budget.acquire(100);
    Request request = budget.request(70);
    held.close();
    assertThat(budget.available()).isEqualTo(30);
    assertThat(request.withdraw()).isFalse();
    Reservation memory = request.await(Duration.ZERO);
    assertThat(request.await(LONG)).isSameAs(memory);
    memory.close();
  }

  @Test
  void asAFutureItCompletesInTurn() throws Exception {
    Reservation held = budget.acquire(100);
    CompletableFuture<Reservation> first = budget.acquireAsync(80);
    CompletableFuture<Reservation> second = budget.acquireAsync(20);
    assertThat(first).isNotDone();
    held.close();
    first.get(30, TimeUnit.SECONDS).close();
    second.get(30, TimeUnit.SECONDS).close();
  }

  @Test
  void nothingThatHangsOnAFutureHoldsUpWhoGivesBack() throws Exception {
    Reservation held = budget.acquire(100);
    AtomicReference<Thread> on = new AtomicReference<>();
    CompletableFuture<Void> told =
        budget
            .acquireAsync(100)
            .thenAccept(
                memory -> {
                  on.set(Thread.currentThread());
                  memory.close();
                });
    held.close();
    told.get(30, TimeUnit.SECONDS);
    assertThat(on.get()).isNotSameAs(Thread.currentThread());
  }

  @Test
  void aFutureThatIsCancelledLeavesTheLine() throws Exception {
    Reservation held = budget.acquire(50);
    CompletableFuture<Reservation> large = budget.acquireAsync(60);
    Request small = budget.request(10);
    large.cancel(false);
    small.await(Duration.ZERO).close();
    held.close();
    assertThat(budget.available()).isEqualTo(100);
  }

  @Test
  void aFutureThatIsCompletedByItsOwnerLeavesTheLineToo() throws Exception {
    Reservation held = budget.acquire(50);
    CompletableFuture<Reservation> large =
        budget.acquireAsync(60).orTimeout(1, TimeUnit.MILLISECONDS);
    Eventually.await("it has left the line", () -> large.isDone() && budget.waiting() == 0);
    held.close();
    assertThat(budget.available()).isEqualTo(100);
  }

  @Test
  void tryingTakesNothingThatIsNotThere() throws Exception {
    Reservation held = budget.tryAcquire(60).orElseThrow();
    assertThat(budget.tryAcquire(41)).isEmpty();
    budget.tryAcquire(40).orElseThrow().close();
    held.close();
  }

  @Test
  void manyCancelAtOnceAndNothingIsLost() throws Exception {
    Reservation held = budget.acquire(100);
    List<CompletableFuture<Reservation>> all = new ArrayList<>();
    for (int i = 0; i < 10_000; i++) {
      all.add(budget.acquireAsync(1 + i % 100));
    }
    all.forEach(future -> future.cancel(true));
    held.close();
    assertThat(budget.available()).isEqualTo(100);
  }

  /** Whoever closes, and however many at once: it is given back once. */
  @Test
  void racesOfClosing() throws Exception {
    int threads = 3;
    int rounds = 20_000;
    List<Reservation> reservations = new ArrayList<>();
    MemoryBudget large = MemoryBudget.of(rounds);
    for (int i = 0; i < rounds; i++) {
      reservations.add(large.acquire(1));
    }
    CyclicBarrier start = new CyclicBarrier(threads);
    List<CompletableFuture<Void>> racing = new ArrayList<>();
    List<Thread> started = new ArrayList<>();
    for (int i = 0; i < threads; i++) {
      CompletableFuture<Void> done = new CompletableFuture<>();
      racing.add(done);
      Thread thread =
          new Thread(
              () -> {
                try {
                  start.await();
                  reservations.forEach(Reservation::close);
                  done.complete(null);
                } catch (Throwable e) {
                  done.completeExceptionally(e);
                }
              });
      thread.start();
      started.add(thread);
    }
    for (CompletableFuture<Void> done : racing) {
      done.get(30, TimeUnit.SECONDS);
    }
    for (Thread thread : started) {
      thread.join();
    }
    assertThat(large.available()).isEqualTo(rounds);
  }

  @Test
  void saysHowItStands() throws Exception {
    Reservation held = budget.acquire(60);
    Request request = budget.request(50);
    assertThat(budget).hasToString("MemoryBudget[40B of 100B are free, and 1 request is waiting]");
    assertThat(held).hasToString("Reservation[60B]");
    held.close();
    assertThat(held).hasToString("Reservation[60B, given back]");
    request.await(Duration.ZERO).close();
  }
}
