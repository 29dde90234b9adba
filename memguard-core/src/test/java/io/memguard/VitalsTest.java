package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.outcome.Outcome;
import io.memguard.support.Children;
import io.memguard.support.Eventually;
import io.memguard.support.Traces;
import java.io.File;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The thread is there only where something has to be looked at: seen with a guard of its own. */
@Timeout(60)
final class VitalsTest {
  private static final MemoryLimits LIMITS =
      MemoryLimits.of("128MiB").with(Protection.TREE_WATCH, Requirement.OFF);
  private static final MemoryLimits UNWATCHED = LIMITS.with(Protection.WITNESS, Requirement.OFF);
  private static final LaunchOptions DEFAULTS = LaunchOptions.defaults();

  @Test
  void aServerThatSurvivedARefusalIsNotLookedAt() throws Exception {
    try (MemoryGuard guard = MemoryGuard.create()) {
      String waits =
          """
          import sys
          try: bytearray(1 << 30)
          except MemoryError: print("refused", flush=True)
          sys.stdin.read()
          """;
      GuardedProcess server = guard.start(Children.python(waits), LIMITS);
      assertThat(Children.line(server.getInputStream())).isEqualTo("refused");
      assertNobodyLooks();
      server.getOutputStream().close();
      Outcome outcome = server.outcome().get();
      assertThat(outcome).isEqualTo(new Outcome.Exited(0, outcome.evidence()));
      assertThat(outcome.evidence().sample()).isEmpty();
    }
  }

  @Test
  void whoseHangsAreNeverEndedIsNotLookedAt() throws Exception {
    try (MemoryGuard guard = MemoryGuard.create()) {
      guard.run(Children.sh(":"), LIMITS, DEFAULTS.withHangGrace(LaunchOptions.NEVER));
      guard.run(Children.sh(":"), MemoryLimits.none());
      assertNobodyLooks();
    }
  }

  @Test
  void whoIsRunIsLookedAtUnlessSomebodyMayFeedIt() throws Exception {
    ProcessBuilder job = Children.sh(":");
    try (MemoryGuard guard = MemoryGuard.create()) {
      guard.run(job.redirectInput(new File("/dev/zero")), LIMITS);
      assertNobodyLooks();
      guard.run(job.redirectInput(new File("/dev/null")), LIMITS);
      assertThat(Traces.threads()).contains("memguard-memory");
    }
  }

  @Test
  void whomNoWitnessWatchesIsLookedAt() throws Exception {
    try (MemoryGuard guard = MemoryGuard.create()) {
      guard.start(Children.sh("read x"), UNWATCHED);
      assertThat(Traces.threads()).contains("memguard-memory");
    }
  }

  @Test
  void whoeverIsStartedMayAskForIt() throws Exception {
    try (MemoryGuard guard = MemoryGuard.create()) {
      guard.start(Children.sh("read x"), LIMITS, DEFAULTS.withHangGrace(Duration.ofMinutes(1)));
      assertThat(Traces.threads()).contains("memguard-memory");
    }
  }

  private static void assertNobodyLooks() {
    Eventually.await( // the last guard's may be about to end
        "nobody looks", () -> !Traces.threads().contains("memguard-memory"));
  }
}
