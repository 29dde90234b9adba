package io.memguard.examples.queue;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.MemoryGuard;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Cause;
import io.memguard.outcome.Outcome;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What becomes of a job after each kind of end, from outcomes of real children. */
class PolicyTest {
  private static final Policy POLICY = Policy.withCeiling("256MiB");
  private static final Job JOB = Job.of("1", List.of("true"), "32MiB");

  @TempDir Path directory;
  private Path output;

  @BeforeEach
  void nameOutput() {
    output = directory.resolve("output");
  }

  @Test
  void aResultThatIsTooLongIsBuried() throws Exception {
    assertThat(POLICY.decide(JOB, run("print('x' * (1 << 20))"), output))
        .isInstanceOfSatisfying(
            Verdict.Dead.class, dead -> assertThat(dead.cause()).isEqualTo("long-result"));
  }

  @Test
  void aSuccessIsDoneWithWhatItPrinted() throws Exception {
    assertThat(POLICY.decide(JOB, run("print('fine')"), output))
        .isEqualTo(new Verdict.Done("1", "fine"));
  }

  @Test
  void aRefusalGetsALargerLimitUpToTheCeiling() throws Exception {
    Outcome refused = run("b'x' * (100 << 20)");
    Verdict.Again again = (Verdict.Again) POLICY.decide(JOB, refused, output);
    Job next = Job.fromFields(again.fields());
    assertThat(again.why()).isEqualTo("escalated");
    assertThat(next.limitBytes()).isBetween(100L << 20, 256L << 20);
    assertThat(next.memoryFailures()).isEqualTo(1);
    assertThat(next.history()).singleElement().asString().startsWith("32MiB: It asked for 100");

    Job atTheCeiling = JOB.afterOutOfMemory("", 256 << 20);
    assertThat(POLICY.decide(atTheCeiling, refused, output))
        .isInstanceOfSatisfying(
            Verdict.Dead.class,
            dead -> {
              assertThat(dead.cause()).isEqualTo("allocation-denied");
              assertThat(dead.explanation()).isEqualTo(refused.explanation());
              assertThat(Job.fromFields(dead.fields()).history()).hasSize(2);
            });
  }

  @Test
  void memoryHasABudgetOfAttemptsApartFromOtherFailures() throws Exception {
    Outcome refused = run("b'x' * (100 << 20)");
    Outcome failed = run("exit(5)");
    Job job = JOB.afterFailure("once");
    for (int attempt = 1; attempt < POLICY.memoryAttempts(); attempt++) {
      Verdict.Again again = (Verdict.Again) POLICY.decide(job, refused, output);
      job = Job.fromFields(again.fields());
      job = new Job("1", job.command(), 32 << 20, job.timeout(), attempt, 1, job.history());
    }
    assertThat(POLICY.decide(job, refused, output)).isInstanceOf(Verdict.Dead.class);
    assertThat(POLICY.decide(job, failed, output))
        .isInstanceOfSatisfying(
            Verdict.Dead.class, dead -> assertThat(dead.cause()).isEqualTo("exit-5"));
    assertThat(POLICY.decide(JOB, failed, output))
        .isInstanceOfSatisfying(
            Verdict.Again.class, again -> assertThat(again.why()).isEqualTo("retried"));
  }

  @ParameterizedTest
  @EnumSource(names = {"CONTAINER", "HOST", "PREEMPTED"})
  void whereOthersTookTheMemoryItGetsTheSameAgain(Cause cause) throws Exception {
    Verdict.Again again = (Verdict.Again) POLICY.decide(JOB, as(cause), output);
    assertThat(again.why()).isEqualTo("retried");
    assertThat(Job.fromFields(again.fields()).limitBytes()).isEqualTo(JOB.limitBytes());
    assertThat(Job.fromFields(again.fields()).memoryFailures()).isEqualTo(1);
  }

  @Test
  void aFullHeapThatDoesNotFollowTheLimitIsNotTriedAgain() throws Exception {
    assertThat(POLICY.decide(JOB, as(Cause.RUNTIME_HEAP), output))
        .isInstanceOfSatisfying(
            Verdict.Dead.class, dead -> assertThat(dead.cause()).isEqualTo("runtime-heap"));
  }

  @Test
  void signalsAndTimeOutsAreNamed() throws Exception {
    Job failedOnce = JOB.afterFailure("once");
    String asleep = "import time; time.sleep(60)";
    assertThat(POLICY.decide(failedOnce, run("import os; os.kill(os.getpid(), 15)"), output))
        .isInstanceOfSatisfying(
            Verdict.Dead.class, dead -> assertThat(dead.cause()).isEqualTo("signal-SIGTERM"));
    assertThat(POLICY.decide(failedOnce, run(asleep, Duration.ofMillis(500)), output))
        .isInstanceOfSatisfying(
            Verdict.Dead.class, dead -> assertThat(dead.cause()).isEqualTo("timed-out"));
  }

  /** The evidence of a real refusal, as if it had been another's limit. */
  private Outcome as(Cause cause) throws Exception {
    Outcome.OutOfMemory real = (Outcome.OutOfMemory) run("b'x' * (100 << 20)");
    return new Outcome.OutOfMemory(
        cause,
        real.confidence(),
        OptionalLong.empty(),
        OptionalLong.empty(),
        false,
        real.explanation(),
        real.evidence());
  }

  private Outcome run(String python) throws Exception {
    return run(python, Duration.ofSeconds(60));
  }

  private Outcome run(String python, Duration timeout) throws Exception {
    try (MemoryGuard guard = MemoryGuard.create()) {
      return guard.run(
          new ProcessBuilder("python3", "-c", python).redirectOutput(output.toFile()),
          MemoryLimits.of("32MiB"),
          LaunchOptions.defaults().withTimeout(timeout).withGrace(Duration.ZERO));
    }
  }
}
