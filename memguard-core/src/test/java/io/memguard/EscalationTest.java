package io.memguard;

import static io.memguard.support.Children.line;
import static io.memguard.support.Children.sh;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Whoever ends a tree again means it: the shorter grace period counts. */
@Timeout(60)
final class EscalationTest {
  private static final int PATIENCE_SECONDS = 15;

  private MemoryGuard guard;
  private GuardedProcess stubborn;

  @BeforeEach
  void startsAChildThatDoesNotMindTerm() throws Exception {
    guard = MemoryGuard.create();
    stubborn =
        guard.start(
            sh("trap '' TERM; echo ready; while :; do sleep 0.1; done"), MemoryLimits.none());
    line(stubborn.getInputStream());
    assertThat(stubborn.destroyTree(Duration.ofHours(1))).isNotDone();
  }

  @AfterEach
  void endsIt() {
    stubborn.destroyForcibly();
    guard.close();
  }

  @Test
  void noGraceAfterAnHoursGraceKillsAtOnce() throws Exception {
    Outcome outcome = stubborn.destroyTree(Duration.ZERO).get(PATIENCE_SECONDS, TimeUnit.SECONDS);
    assertThat(outcome).isInstanceOf(Outcome.Cancelled.class);
    assertThat(outcome.evidence().status().exitValue()).isEqualTo(137);
  }

  @Test
  void aLongerGraceAfterAShorterOneDoesNotProlongIt() throws Exception {
    CompletableFuture<Outcome> first = stubborn.destroyTree(Duration.ofMillis(1));
    Outcome outcome =
        stubborn.destroyTree(Duration.ofHours(2)).get(PATIENCE_SECONDS, TimeUnit.SECONDS);
    assertThat(first.get(PATIENCE_SECONDS, TimeUnit.SECONDS)).isEqualTo(outcome);
    assertThat(outcome.evidence().status().exitValue()).isEqualTo(137);
  }

  @Test
  void aNegativeGraceIsRefused() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> stubborn.destroyTree(Duration.ofSeconds(-1)))
        .withMessageContaining("PT-1S is negative");
    assertThat(stubborn.isAlive()).isTrue();
  }

  @Test
  void closingTheGuardDoesNotWaitOutTheHour() throws Exception {
    CompletableFuture.runAsync(guard::close).get(PATIENCE_SECONDS, TimeUnit.SECONDS);
    assertThat(stubborn.isAlive()).isFalse();
  }
}
