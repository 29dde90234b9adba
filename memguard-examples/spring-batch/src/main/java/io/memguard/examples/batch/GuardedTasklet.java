package io.memguard.examples.batch;

import io.memguard.GuardedProcess;
import io.memguard.MemoryGuard;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.MemorySize;
import io.memguard.outcome.Outcome;
import java.io.File;
import java.util.List;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import org.springframework.batch.core.job.JobInterruptedException;
import org.springframework.batch.core.scope.context.ChunkContext;
import org.springframework.batch.core.step.StepContribution;
import org.springframework.batch.core.step.tasklet.StoppableTasklet;
import org.springframework.batch.infrastructure.item.ExecutionContext;
import org.springframework.batch.infrastructure.repeat.RepeatStatus;

/**
 * Runs a command, and again with more memory where it was refused some. Each attempt is a
 * transaction of its own, and the limit of the next one is kept in the step's execution context: a
 * job that is restarted goes on with it.
 *
 * <p>The step fails with memguard's exception for the last outcome. A step that is stopped ends the
 * command with all its descendants.
 *
 * <p>For one step at a time.
 */
public final class GuardedTasklet implements StoppableTasklet {
  /** Where the execution context has the limit of the next attempt, in bytes. */
  public static final String LIMIT = "memguard.limit";

  /** Where the execution context has all limits that were tried, for people. */
  public static final String TRIED = "memguard.tried";

  private final MemoryGuard guard;
  private final List<String> command;
  private final Growth growth;
  private final LaunchOptions options;
  private volatile @Nullable GuardedProcess running;
  private volatile boolean stopping;

  /**
   * Makes a tasklet.
   *
   * @param guard what starts the command
   * @param command the program and its arguments
   * @param growth what each attempt may use
   * @param options how each attempt lives
   */
  public GuardedTasklet(
      MemoryGuard guard, List<String> command, Growth growth, LaunchOptions options) {
    this.guard = guard;
    this.command = List.copyOf(command);
    this.growth = growth;
    this.options = options.withHangGrace(LaunchOptions.DEFAULT_HANG_GRACE);
  }

  @Override
  public RepeatStatus execute(StepContribution contribution, ChunkContext chunk) throws Exception {
    ExecutionContext kept = contribution.getStepExecution().getExecutionContext();
    long limit = kept.getLong(LIMIT, growth.firstBytes());
    kept.putString(
        TRIED, (kept.getString(TRIED, "") + " " + MemorySize.format(limit)).stripLeading());
    Outcome outcome = run(MemoryLimits.of(limit));
    if (outcome instanceof Outcome.Cancelled) {
      throw new JobInterruptedException("The command was ended: " + command);
    }
    OptionalLong next =
        outcome instanceof Outcome.OutOfMemory memory
            ? growth.next(memory, limit)
            : OptionalLong.empty();
    if (next.isPresent()) {
      kept.putLong(LIMIT, next.getAsLong());
      return RepeatStatus.CONTINUABLE; // commits the limit, and calls this again
    }
    outcome.orThrow();
    return RepeatStatus.FINISHED;
  }

  private Outcome run(MemoryLimits limits) throws Exception {
    ProcessBuilder job = new ProcessBuilder(command).inheritIO();
    job.redirectInput(new File("/dev/null"));
    GuardedProcess process = guard.start(job, limits, options);
    running = process;
    try {
      if (stopping) { // while it was started
        stop();
      }
      process.waitFor();
      return process.outcome().join();
    } catch (InterruptedException e) {
      process.destroyTree(options.grace()).join();
      throw e;
    } finally {
      running = null;
    }
  }

  @Override
  @SuppressWarnings({"FutureReturnValueIgnored", "removal"}) // execute waits; there is no other yet
  public void stop() {
    stopping = true;
    GuardedProcess process = running;
    if (process != null) {
      process.destroyTree(options.grace());
    }
  }
}
