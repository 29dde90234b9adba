package io.memguard.examples.batch;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.LaunchOptions;
import io.memguard.outcome.AllocationDeniedException;
import io.memguard.outcome.ChildExitException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.springframework.batch.core.BatchStatus;
import org.springframework.batch.core.step.StepExecution;

/** A tasklet whose next attempt has more memory, also in a restarted job. */
class GuardedTaskletTest extends BatchFixture {
  private static final List<String> NEEDS_200_MIB =
      List.of("python3", "-c", "x = b'x' * (200 << 20)");

  private GuardedTasklet tasklet(List<String> command, String ceiling) {
    return new GuardedTasklet(
        guard,
        command,
        Growth.of("32MiB", ceiling),
        LaunchOptions.defaults().withGrace(Duration.ofSeconds(1)));
  }

  @Test
  void growsUntilItIsEnough() throws Exception {
    StepExecution step = run(tasklet(NEEDS_200_MIB, "1GiB"));
    assertThat(step.getStatus()).isEqualTo(BatchStatus.COMPLETED);
    assertThat(tried(step)).hasSizeGreaterThan(1).startsWith("32MiB");
    assertThat(step.getCommitCount()).as("each attempt is committed").isEqualTo(tried(step).size());
  }

  @Test
  void aRestartGoesOnWithTheLimitThatWasReached() throws Exception {
    StepExecution failed = run(tasklet(NEEDS_200_MIB, "64MiB"));
    assertThat(failed.getStatus()).isEqualTo(BatchStatus.FAILED);
    assertThat(failed.getFailureExceptions().get(0)).isInstanceOf(AllocationDeniedException.class);

    StepExecution restarted = run(tasklet(NEEDS_200_MIB, "1GiB"));
    assertThat(restarted.getStatus()).isEqualTo(BatchStatus.COMPLETED);
    assertThat(tried(restarted)).startsWith("32MiB", "64MiB", "64MiB").hasSizeGreaterThan(3);
  }

  @Test
  void anotherFailureIsNotTriedAgain() throws Exception {
    StepExecution step = run(tasklet(List.of("sh", "-c", "exit 4"), "1GiB"));
    assertThat(step.getStatus()).isEqualTo(BatchStatus.FAILED);
    assertThat(step.getFailureExceptions().get(0)).isInstanceOf(ChildExitException.class);
    assertThat(step.getCommitCount()).isZero();
  }

  @Test
  void aStepThatIsStoppedEndsItsCommandWithItsDescendants() throws Exception {
    GuardedTasklet tasklet = tasklet(List.of(family()), "1GiB");
    CompletableFuture<StepExecution> step =
        CompletableFuture.supplyAsync(
            () -> {
              try {
                return run(tasklet);
              } catch (Exception e) {
                throw new IllegalStateException(e);
              }
            });
    ProcessHandle grandchild = process(directory.resolve("grandchild"));
    ProcessHandle child = process(directory.resolve("child"));
    tasklet.stop();
    assertThat(step.get().getStatus()).isEqualTo(BatchStatus.STOPPED);
    assertThat(child.isAlive()).isFalse();
    await("that somebody has reaped the grandchild", () -> !grandchild.isAlive());
  }

  private static List<String> tried(StepExecution step) {
    return List.of(step.getExecutionContext().getString(GuardedTasklet.TRIED).split(" "));
  }
}
