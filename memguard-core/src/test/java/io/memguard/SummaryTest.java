package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;
import io.memguard.support.Children;
import io.memguard.support.WithGuard;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** What stands in brackets behind an explanation: who, why, what it had, and what next. */
@ExtendWith(WithGuard.class)
final class SummaryTest {
  @Test
  void aDeathForMemory(MemoryGuard guard) throws Exception {
    Outcome outcome = guard.run(Children.python("bytearray(600 << 20)"), MemoryLimits.of("64MiB"));
    assertThat(outcome.summary())
        .startsWith(who(outcome) + ": allocation-denied, certain; limit 64MiB, peak RSS ")
        .matches(".*, peak RSS [0-9.]+[KM]iB, after \\d+ ms; try \\d+MiB");
    assertThat(outcome.toException()).hasMessageContaining(" [" + outcome.summary() + "]");
  }

  @Test
  void theLimitIsTheOneThatItRanInto(MemoryGuard guard) throws Exception {
    MemoryLimits limits = MemoryLimits.of("512MiB").withTreeMemory("64MiB");
    String job = "held = bytearray(200 << 20); import time; time.sleep(60)";
    Outcome outcome = guard.run(Children.python(job), limits);
    assertThat(outcome.summary())
        .startsWith(who(outcome) + ": preempted, certain; limit 64MiB, ")
        .contains("; try ");
  }

  @Test
  void anotherEndSaysWhatHadBeenRefused(MemoryGuard guard) throws Exception {
    String job =
        "import time\ntry: bytearray(600 << 20)\nexcept MemoryError: print(); time.sleep(60)";
    GuardedProcess child =
        guard.start(
            Children.python(job),
            MemoryLimits.of("64MiB"),
            LaunchOptions.defaults().withHangGrace(LaunchOptions.NEVER));
    assertThat(child.getInputStream().read()).isEqualTo('\n');
    child.destroyForcibly();
    Outcome outcome = child.outcome().get();
    assertThat(outcome).isInstanceOf(Outcome.Cancelled.class);
    assertThat(outcome.summary())
        .matches(who(outcome) + ", limit 64MiB, refused 600(\\.0)?MiB, peak RSS .*, after \\d+ ms");
  }

  @Test
  void anEndWithoutAnyLimit(MemoryGuard guard) throws Exception {
    Outcome outcome = guard.run(Children.sh("exit 3"), MemoryLimits.none());
    assertThat(outcome.summary())
        .matches("sh, pid " + outcome.evidence().pid() + "(, peak RSS \\S+)?, after \\d+ ms");
  }

  @Test
  void anOutcomeFitsIntoALine(MemoryGuard guard) throws Exception {
    Outcome outcome =
        guard.run(
            Children.sh("for n in $(seq 20); do sh -c :; done; exit 3"), MemoryLimits.of("1GiB"));
    assertThat(outcome.toString())
        .matches(
            "Exited\\[code=3, evidence=Evidence\\["
                + who(outcome)
                + ", exit 3, after \\d+ ms\\]\\]");
  }

  private static String who(Outcome outcome) {
    return outcome.evidence().program() + ", pid " + outcome.evidence().pid();
  }
}
