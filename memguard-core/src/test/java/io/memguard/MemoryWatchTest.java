package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.support.Eventually;
import io.memguard.support.Traces;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The one thread that looks at memory: when it lives, and when it wakes. */
@Tag("engine-independent")
@Timeout(60)
final class MemoryWatchTest {
  private static final String NAME = "memguard-memory";

  private final AtomicInteger ticks = new AtomicInteger();
  private final CountDownLatch closed = new CountDownLatch(1);
  private volatile long wants = MemoryWatch.Client.NEVER;

  private class Counting implements MemoryWatch.Client {
    @Override
    public void rehearse() {}

    @Override
    public long tick(long now) {
      ticks.incrementAndGet();
      if (wants < 0) {
        throw new IllegalStateException("on purpose");
      }
      return wants;
    }

    @Override
    public void close() {
      closed.countDown();
    }
  }

  @Test
  void itLivesFromItsFirstUseToItsEnd() throws Exception {
    Traces before = Traces.begin();
    MemoryWatch watch = watch();
    before.assertNothingIsLeft();
    watch.start();
    watch.start();
    assertThat(Traces.threads()).containsOnlyOnce(NAME);
    watch.close();
    watch.close();
    assertThat(closed.await(0, TimeUnit.SECONDS)).isTrue();
    before.assertNothingIsLeft();
  }

  @Test
  void onceClosedItIsNotStartedAgain() {
    Traces before = Traces.begin();
    MemoryWatch watch = watch();
    watch.close();
    watch.start();
    before.assertNothingIsLeft();
  }

  @Test
  void onceClosedNobodyIsMadeReady() throws Exception {
    Traces before = Traces.begin();
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch goOn = new CountDownLatch(1);
    AtomicInteger next = new AtomicInteger();
    MemoryWatch watch = new MemoryWatch();
    watch.add(
        new Counting() {
          @Override
          public void rehearse() {
            begun.countDown();
            Eventually.await("it may go on", () -> goOn.getCount() == 0);
          }
        });
    watch.add(
        new Counting() {
          @Override
          public void rehearse() {
            next.incrementAndGet();
          }
        });
    watch.start();
    begun.await();
    watch.close();
    goOn.countDown();
    before.assertNothingIsLeft();
    assertThat(next).hasValue(0);
  }

  @Test
  void whoWantsNothingIsCalledAtAHintOnly() {
    try (MemoryWatch watch = watch()) {
      watch.start();
      awaitTicks(1);
      watch.wakeBy(System.nanoTime());
      awaitTicks(2);
      watch.wakeBy(System.nanoTime() + TimeUnit.HOURS.toNanos(1));
      watch.wakeBy(System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(5));
      awaitTicks(3);
    }
  }

  @Test
  void whoWantsToBeCalledIsCalled() {
    wants = TimeUnit.MILLISECONDS.toNanos(1);
    try (MemoryWatch watch = watch()) {
      watch.start();
      awaitTicks(20);
    }
  }

  @Test
  void whoFailsIsCalledAgain() {
    wants = -1;
    try (MemoryWatch watch = watch()) {
      watch.start();
      awaitTicks(2);
    }
  }

  /** Each hint is from another thread than the last, while the thread falls asleep and wakes. */
  @Test
  void noHintIsLost() {
    try (MemoryWatch watch = watch()) {
      watch.start();
      for (int i = 0; i < 1_000; i++) {
        int before = ticks.get();
        watch.wakeBy(System.nanoTime());
        Eventually.await("a tick after hint " + i, () -> ticks.get() > before);
      }
    }
  }

  private void awaitTicks(int count) {
    Eventually.await(count + " ticks", () -> ticks.get() >= count);
  }

  private MemoryWatch watch() {
    MemoryWatch watch = new MemoryWatch();
    watch.add(new Counting());
    return watch;
  }
}
