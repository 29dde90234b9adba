package io.memguard;

import static io.memguard.support.Children.line;
import static io.memguard.support.Children.sh;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.ChildTimeoutException;
import io.memguard.outcome.Outcome;
import io.memguard.support.Eventually;
import io.memguard.support.Proc;
import io.memguard.support.WithGuard;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Whoever ends a child ends all that descends from it, and never waits for ever. */
@ExtendWith(WithGuard.class)
@Timeout(60)
final class TreesTest {
  private static final LaunchOptions BRIEF =
      LaunchOptions.defaults().withGrace(Duration.ofMillis(100));

  /** A child, its child and a grandchild, none of which minds SIGTERM; each says its pid. */
  private static final String STUBBORN =
      "trap '' TERM; echo $$ >> \"$1\"; sh -c 'echo $$ >> \"$1\"; sh -c \"echo \\$\\$ >> $1; while"
          + " :; do sleep 60; done\" & wait' sh \"$1\" & while :; do sleep 60; done";

  @TempDir private Path directory;

  @Test
  void aTimeoutEndsTheWholeStubbornTree(MemoryGuard guard) throws Exception {
    Path pids = directory.resolve("pids");
    Outcome outcome =
        guard.run(
            sh(STUBBORN, pids.toString()),
            MemoryLimits.none(),
            BRIEF.withTimeout(Duration.ofSeconds(5)));
    assertThat(outcome).isEqualTo(new Outcome.TimedOut(Duration.ofSeconds(5), outcome.evidence()));
    assertThat(outcome.evidence().elapsed()).isGreaterThan(Duration.ofSeconds(5));
    assertThatExceptionOfType(ChildTimeoutException.class)
        .isThrownBy(outcome::orThrow)
        .withMessageContaining("5000 ms");
    assertAllGone(pids);
  }

  @Test
  void whoeverEndsWithinItsTimeDidNotTimeOut(MemoryGuard guard) throws Exception {
    Outcome outcome =
        guard.run(sh("exit 3"), MemoryLimits.none(), BRIEF.withTimeout(Duration.ofSeconds(50)));
    assertThat(outcome).isEqualTo(new Outcome.Exited(3, outcome.evidence()));
  }

  @Test
  void aTimeLimitOfCenturiesIsNone(MemoryGuard guard) throws Exception {
    Outcome outcome =
        guard.run(
            sh("exit 3"),
            MemoryLimits.none(),
            BRIEF.withTimeout(Duration.ofSeconds(Long.MAX_VALUE)));
    assertThat(outcome).isEqualTo(new Outcome.Exited(3, outcome.evidence()));
  }

  @Test
  void destroyTreeEndsTheWholeStubbornTree(MemoryGuard guard) throws Exception {
    Path pids = directory.resolve("pids");
    GuardedProcess child = guard.start(sh(STUBBORN, pids.toString()), MemoryLimits.none());
    awaitThree(pids);
    Outcome outcome = child.destroyTree(Duration.ofMillis(50)).get();
    assertThat(outcome).isInstanceOf(Outcome.Cancelled.class);
    assertAllGone(pids);
  }

  @Test
  void aGracePeriodOfCenturiesLastsUntilTheTreeHasEnded(MemoryGuard guard) throws Exception {
    GuardedProcess child = guard.start(new ProcessBuilder("sleep", "60"), MemoryLimits.none());
    Outcome outcome = child.destroyTree(Duration.ofSeconds(Long.MAX_VALUE)).get();
    assertThat(outcome.evidence().status().exitValue()).isEqualTo(143);
  }

  @Test
  void whoeverHeedsTermIsNotKilled(MemoryGuard guard) throws Exception {
    GuardedProcess child =
        guard.start(
            sh("trap 'exit 5' TERM; echo ready; while :; do sleep 0.01; done"),
            MemoryLimits.none());
    line(child.getInputStream());
    Outcome outcome = child.destroyTree(Duration.ofSeconds(30)).get();
    assertThat(outcome).isInstanceOf(Outcome.Cancelled.class);
    assertThat(outcome.evidence().status().exitValue()).isEqualTo(5);
  }

  @Test
  void closingTheGuardEndsItsChildren() throws Exception {
    MemoryGuard guard = MemoryGuard.create();
    List<GuardedProcess> children = new ArrayList<>();
    for (int i = 0; i < 5; i++) {
      children.add(guard.start(new ProcessBuilder("sleep", "60"), MemoryLimits.none()));
    }
    guard.close();
    assertThat(children)
        .allSatisfy(
            child -> {
              assertThat(child.isAlive()).isFalse();
              assertThat(child.outcome().get()).isInstanceOf(Outcome.Cancelled.class);
            });
  }

  @Test
  void interruptingRunEndsTheTree(MemoryGuard guard) throws Exception {
    Path pids = directory.resolve("pids");
    CompletableFuture<Throwable> thrown = new CompletableFuture<>();
    Thread runner =
        new Thread(
            () -> {
              try {
                guard.run(sh(STUBBORN, pids.toString()), MemoryLimits.none(), BRIEF);
                thrown.complete(null);
              } catch (Exception e) {
                thrown.complete(e);
              }
            });
    runner.start();
    awaitThree(pids);
    runner.interrupt();
    assertThat(thrown.get(30, TimeUnit.SECONDS)).isInstanceOf(InterruptedException.class);
    assertAllGone(pids);
  }

  @Test
  void destroyingIsNoLongerPossibleAfterTheEnd(MemoryGuard guard) throws Exception {
    GuardedProcess child = guard.start(sh("exit 3"), MemoryLimits.none());
    child.waitFor();
    assertThat(child.destroyTree(Duration.ZERO).get()).isInstanceOf(Outcome.Exited.class);
    child.destroyForcibly();
    assertThat(child.outcome().get()).isInstanceOf(Outcome.Exited.class);
  }

  private static void awaitThree(Path pids) {
    Eventually.await("three processes live", () -> Files.exists(pids) && pidsIn(pids).size() == 3);
  }

  private static void assertAllGone(Path pids) {
    assertThat(pidsIn(pids)).hasSize(3).allSatisfy(Eventually::awaitGone);
  }

  private static List<Long> pidsIn(Path file) {
    return Proc.read(file).lines().map(Long::valueOf).toList();
  }
}
