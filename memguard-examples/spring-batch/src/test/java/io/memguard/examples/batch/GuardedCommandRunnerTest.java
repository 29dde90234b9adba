package io.memguard.examples.batch;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.AllocationDeniedException;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.springframework.batch.core.BatchStatus;
import org.springframework.batch.core.step.StepExecution;
import org.springframework.batch.core.step.tasklet.SystemCommandException;
import org.springframework.batch.core.step.tasklet.SystemCommandTasklet;

/** Spring Batch's own tasklet, with memguard behind it by one line. */
class GuardedCommandRunnerTest extends BatchFixture {
  private SystemCommandTasklet tasklet(String... command) throws Exception {
    SystemCommandTasklet tasklet = new SystemCommandTasklet();
    tasklet.setCommand(command);
    tasklet.setTimeout(60_000);
    tasklet.setTerminationCheckInterval(50);
    tasklet.setInterruptOnCancel(true);
    tasklet.setCommandRunner(
        new GuardedCommandRunner(
            guard,
            MemoryLimits.of("64MiB"),
            LaunchOptions.defaults().withGrace(Duration.ofSeconds(1))));
    tasklet.afterPropertiesSet();
    return tasklet;
  }

  @Test
  void aStepThatIsRefusedMemoryFailsAndSaysWhy() throws Exception {
    StepExecution step = run(tasklet("python3", "-c", "b'x' * (200 << 20)"));
    assertThat(step.getStatus()).isEqualTo(BatchStatus.FAILED);
    assertThat(step.getFailureExceptions())
        .singleElement()
        .satisfies(
            failure ->
                assertThat(failure)
                    .hasRootCauseInstanceOf(AllocationDeniedException.class)
                    .rootCause()
                    .hasMessageContaining("64MiB"));
  }

  @Test
  void directoryEnvironmentAndExitStatusAreTheTaskletsOwn() throws Exception {
    SystemCommandTasklet good =
        tasklet("/bin/sh", "-c", "[ \"$KEY\" = a=b ] && [ -z \"$HOME\" ] && pwd > where");
    good.setEnvironmentParams(new String[] {"KEY=a=b"});
    good.setWorkingDirectory(directory.toString());
    assertThat(run(good).getStatus()).isEqualTo(BatchStatus.COMPLETED);
    assertThat(directory.resolve("where")).hasContent(directory.toRealPath().toString());
  }

  @Test
  void anotherExitStatusFailsTheStepAsBefore() throws Exception {
    StepExecution step = run(tasklet("sh", "-c", "exit 3"));
    assertThat(step.getStatus()).isEqualTo(BatchStatus.FAILED);
    assertThat(step.getFailureExceptions().get(0)).isInstanceOf(SystemCommandException.class);
  }

  @Test
  void aCommandWhoseTimeIsOverIsEndedWithItsDescendants() throws Exception {
    SystemCommandTasklet tasklet = tasklet(family());
    CompletableFuture<StepExecution> step = inBackground(tasklet);
    ProcessHandle grandchild = process(directory.resolve("grandchild"));
    ProcessHandle child = process(directory.resolve("child"));
    tasklet.setTimeout(1); // each time it looks, it asks how long it may take
    assertThat(step.get().getStatus()).isEqualTo(BatchStatus.FAILED);
    await("the end of both", () -> !child.isAlive() && !grandchild.isAlive());
  }

  @Test
  void aStepThatIsStoppedEndsItsCommandWithItsDescendants() throws Exception {
    SystemCommandTasklet tasklet = tasklet(family());
    CompletableFuture<StepExecution> step = inBackground(tasklet);
    ProcessHandle grandchild = process(directory.resolve("grandchild"));
    ProcessHandle child = process(directory.resolve("child"));
    tasklet.stop();
    assertThat(step.get().getExitStatus().getExitCode()).isEqualTo("STOPPED");
    await("the end of both", () -> !child.isAlive() && !grandchild.isAlive());
  }

  private CompletableFuture<StepExecution> inBackground(SystemCommandTasklet tasklet) {
    return CompletableFuture.supplyAsync(
        () -> {
          try {
            return run(tasklet);
          } catch (Exception e) {
            throw new IllegalStateException(e);
          }
        });
  }
}
