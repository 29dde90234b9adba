package io.memguard;

import static io.memguard.support.Children.sh;
import static io.memguard.support.Parity.resultOf;
import static io.memguard.support.Parity.sameAsTheJdk;
import static java.util.concurrent.TimeUnit.MILLISECONDS;
import static java.util.concurrent.TimeUnit.SECONDS;
import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;
import io.memguard.support.Proc;
import io.memguard.support.WithGuard;
import java.io.IOException;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;

/** A guarded child lives, ends, and is waited for as one of {@link ProcessBuilder#start}. */
@ExtendWith(WithGuard.class)
@Timeout(60)
final class LifeAsTheJdksTest {
  private static final int SHORT_LIVES = 100;

  @Test
  void whileItLivesThereIsNoExitValue(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              Process cat = start.start(new ProcessBuilder("cat"));
              Object before =
                  List.of(cat.isAlive(), resultOf(cat::exitValue), cat.onExit().isDone());
              cat.getOutputStream().close();
              return List.of(before, cat.waitFor(), cat.isAlive(), cat.exitValue());
            });
    assertThat(seen)
        .isEqualTo(List.of(List.of(true, IllegalThreadStateException.class, false), 0, false, 0));
  }

  @Test
  void waitingHasATimeLimit(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              Process cat = start.start(new ProcessBuilder("cat"));
              Object before =
                  List.of(
                      cat.waitFor(20, MILLISECONDS),
                      cat.waitFor(0, SECONDS),
                      cat.waitFor(-1, SECONDS),
                      cat.waitFor(Long.MIN_VALUE, SECONDS));
              cat.getOutputStream().close();
              return List.of(
                  before,
                  cat.waitFor(30, SECONDS),
                  cat.waitFor(0, SECONDS),
                  cat.waitFor(-1, SECONDS),
                  resultOf(() -> cat.waitFor(1, null)));
            });
    assertThat(((List<?>) seen).get(0)).isEqualTo(List.of(false, false, false, false));
  }

  @Test
  void whoeverWaitsCanBeInterrupted(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              Process cat = start.start(new ProcessBuilder("cat"));
              Thread.currentThread().interrupt();
              Object forEver = resultOf(cat::waitFor);
              boolean flagLeft = Thread.interrupted();
              Thread.currentThread().interrupt();
              Object forAWhile = resultOf(() -> cat.waitFor(30, SECONDS));
              boolean flagLeftToo = Thread.interrupted();
              boolean alive = cat.isAlive();
              cat.destroy();
              return List.of(forEver, flagLeft, forAWhile, flagLeftToo, alive, cat.waitFor());
            });
    assertThat(seen)
        .isEqualTo(
            List.of(
                InterruptedException.class, false, InterruptedException.class, false, true, 143));
  }

  @Test
  void whoeverIsInterruptedAfterTheExitStillGetsTheExitValue(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              Process child = start.start(sh("exit 7"));
              child.waitFor();
              Thread.currentThread().interrupt();
              Object value = resultOf(child::waitFor);
              return List.of(value, Thread.interrupted());
            });
    assertThat(seen).isEqualTo(List.of("7", true));
  }

  @Test
  void itsEndCompletesAFuture(MemoryGuard guard) throws Exception {
    sameAsTheJdk(
        guard,
        start -> {
          Process cat = start.start(new ProcessBuilder("cat"));
          boolean cancelled = cat.onExit().cancel(true); // means nothing to the process
          boolean alive = cat.isAlive();
          cat.getOutputStream().close();
          Process ended = cat.onExit().get(30, SECONDS);
          return List.of(cancelled, alive, ended == cat, ended.exitValue(), ended.isAlive());
        });
  }

  @Test
  void manyMayWaitAtATime(MemoryGuard guard) throws Exception {
    sameAsTheJdk(
        guard,
        start -> {
          Process cat = start.start(new ProcessBuilder("cat"));
          var first = cat.onExit().thenApply(Process::exitValue);
          var second = cat.onExit().thenApply(Process::exitValue);
          cat.getOutputStream().close();
          return List.of(cat.waitFor(), first.get(30, SECONDS), second.get(30, SECONDS));
        });
  }

  /**
   * Those who wait, some of them again and again, and the watcher take turns; each end is told
   * once.
   */
  @Test
  void manyMayWaitForEachOfManyShortLives(MemoryGuard guard) throws Exception {
    AtomicInteger told = new AtomicInteger();
    for (int code = 0; code < SHORT_LIVES; code++) {
      GuardedProcess child =
          guard.start(sh("sleep 0.00" + code % 8 + "; exit " + code), MemoryLimits.none());
      child.whenEnded(told::incrementAndGet);
      List<CompletableFuture<Integer>> waiting =
          Stream.generate(() -> CompletableFuture.supplyAsync(() -> patiently(child)))
              .limit(3)
              .toList();
      assertThat(child.waitFor()).isEqualTo(code);
      assertThat(waiting).extracting(CompletableFuture::join).containsOnly(code);
    }
    assertThat(told).hasValue(SHORT_LIVES);
  }

  private static int patiently(Process child) {
    try {
      while (!child.waitFor(1, MILLISECONDS)) {
        Thread.onSpinWait();
      }
      return child.exitValue();
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void destroyAsksAndDestroyForciblyDoesNot(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              Process asked = start.start(new ProcessBuilder("sleep", "60"));
              asked.destroy();
              Process stubborn =
                  start.start(sh("trap '' TERM; echo ready; while :; do sleep 60; done"));
              stubborn.getInputStream().read();
              stubborn.destroy();
              boolean lives = !stubborn.waitFor(50, MILLISECONDS);
              boolean same = stubborn.destroyForcibly() == stubborn;
              return List.of(
                  asked.waitFor(),
                  lives,
                  same,
                  stubborn.waitFor(),
                  asked.supportsNormalTermination());
            });
    assertThat(seen).isEqualTo(List.of(143, true, true, 137, true));
  }

  @Test
  void destroyingClosesTheCallersStreams(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              Process child = start.start(sh("trap '' TERM; echo ready; read line"));
              child.getInputStream().read();
              child.destroy();
              return List.of(
                  resultOf(
                      () -> {
                        child.getOutputStream().write('\n'); // would end the child
                        child.getOutputStream().flush();
                        return "written";
                      }),
                  resultOf(() -> child.getInputStream().read()),
                  resultOf(() -> child.getErrorStream().read()),
                  child.waitFor());
            });
    assertThat(seen).isEqualTo(List.of(IOException.class, IOException.class, IOException.class, 1));
  }

  @Test
  void destroyingWhatHasJustEndedDoesNotMakeItCancelled(MemoryGuard guard) throws Exception {
    for (int i = 0; i < 100; i++) {
      GuardedProcess child = guard.start(new ProcessBuilder("true"), MemoryLimits.none());
      while (Proc.lives(child.pid())) {
        Thread.onSpinWait(); // as close to its end as can be
      }
      child.destroy();
      Outcome outcome = child.outcome().get();
      assertThat(outcome).isEqualTo(new Outcome.Exited(0, outcome.evidence()));
    }
  }

  @Test
  void destroyingWhatHasEndedDoesNothing(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              Process child = start.start(sh("exit 5"));
              child.waitFor();
              child.destroy();
              child.destroy();
              return List.of(child.destroyForcibly().exitValue(), child.waitFor());
            });
    assertThat(seen).isEqualTo(List.of(5, 5));
  }

  @Test
  void eachIsItselfInSets(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              Process one = start.start(new ProcessBuilder("true"));
              Process other = start.start(new ProcessBuilder("true"));
              Set<Process> set = new HashSet<>(List.of(one, other));
              one.waitFor();
              other.waitFor();
              set.add(one);
              return List.of(set.size(), set.contains(other), one.equals(other));
            });
    assertThat(seen).isEqualTo(List.of(2, true, false));
  }

  @Test
  void theBuilderMayBeUsedAgainAndChanged(MemoryGuard guard) throws Exception {
    Object seen =
        sameAsTheJdk(
            guard,
            start -> {
              ProcessBuilder job = sh("exit $CODE");
              job.environment().put("CODE", "1");
              Process first = start.start(job);
              job.environment().put("CODE", "2");
              job.command().set(2, "exit 3$CODE");
              Process second = start.start(job);
              return List.of(
                  first.waitFor(), second.waitFor(), job.environment().containsKey("LD_PRELOAD"));
            });
    assertThat(seen).isEqualTo(List.of(1, 32, false));
  }
}
