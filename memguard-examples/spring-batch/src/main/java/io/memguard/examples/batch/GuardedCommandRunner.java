package io.memguard.examples.batch;

import io.memguard.GuardedProcess;
import io.memguard.MemoryGuard;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.springframework.batch.core.step.tasklet.CommandRunner;

/**
 * Puts the commands of a {@code SystemCommandTasklet} under memory limits:
 *
 * <pre>{@code
 * tasklet.setCommandRunner(new GuardedCommandRunner(guard, MemoryLimits.of("256MiB")));
 * }</pre>
 *
 * <p>A command that runs out of memory fails its step with a {@code ChildOutOfMemoryException},
 * whatever its exit code. When the tasklet gives up waiting, and may interrupt ({@code
 * setInterruptOnCancel(true)}), the command is ended with all its descendants. What commands write
 * goes where this JVM's output goes; nobody would read a pipe, and a command that fills one would
 * wait for ever.
 *
 * <p>Safe to share between steps.
 */
public final class GuardedCommandRunner implements CommandRunner {
  private static final File NOTHING = new File("/dev/null");

  private final MemoryGuard guard;
  private final MemoryLimits limits;
  private final LaunchOptions options;

  /**
   * Makes a runner.
   *
   * @param guard what starts the commands
   * @param limits what each may use
   */
  public GuardedCommandRunner(MemoryGuard guard, MemoryLimits limits) {
    this(guard, limits, LaunchOptions.defaults());
  }

  /**
   * Makes a runner.
   *
   * @param guard what starts the commands
   * @param limits what each may use
   * @param options how they live
   */
  public GuardedCommandRunner(MemoryGuard guard, MemoryLimits limits, LaunchOptions options) {
    this.guard = guard;
    this.limits = limits;
    this.options = options.withHangGrace(LaunchOptions.DEFAULT_HANG_GRACE);
  }

  @Override
  public Process exec(String[] command, String @Nullable [] envp, @Nullable File dir)
      throws IOException {
    ProcessBuilder job =
        new ProcessBuilder(command)
            .directory(dir)
            .redirectInput(NOTHING)
            .redirectOutput(ProcessBuilder.Redirect.INHERIT)
            .redirectError(ProcessBuilder.Redirect.INHERIT);
    if (envp != null) {
      setEnvironment(job.environment(), envp);
    }
    return new Waited(guard.start(job, limits, options), options);
  }

  private static void setEnvironment(Map<String, String> environment, String[] settings) {
    environment.clear();
    for (String setting : settings) {
      int equals = setting.indexOf('=');
      if (equals > 0) { // as Runtime.exec does
        environment.put(setting.substring(0, equals), setting.substring(equals + 1));
      }
    }
  }

  /**
   * A process that does not outlive the wait for it, and tells by an exception if memory ended it.
   */
  private static final class Waited extends Process {
    private final GuardedProcess process;
    private final LaunchOptions options;

    Waited(GuardedProcess process, LaunchOptions options) {
      this.process = process;
      this.options = options;
    }

    @Override
    public int waitFor() throws InterruptedException {
      try {
        process.waitFor();
      } catch (InterruptedException e) {
        process.destroyTree(options.grace()).join();
        throw e;
      }
      Outcome outcome = process.outcome().join();
      if (outcome instanceof Outcome.OutOfMemory || outcome instanceof Outcome.TimedOut) {
        throw outcome.toException();
      }
      return process.exitValue();
    }

    @Override
    public boolean waitFor(long timeout, TimeUnit unit) throws InterruptedException {
      return process.waitFor(timeout, unit);
    }

    @Override
    public int exitValue() {
      return process.exitValue();
    }

    @Override
    public boolean isAlive() {
      return process.isAlive();
    }

    @Override
    @SuppressWarnings("FutureReturnValueIgnored") // as destroy has it: it does not wait
    public void destroy() {
      process.destroyTree(options.grace());
    }

    @Override
    public long pid() {
      return process.pid();
    }

    @Override
    public ProcessHandle toHandle() {
      return process.toHandle();
    }

    @Override
    public OutputStream getOutputStream() {
      return process.getOutputStream();
    }

    @Override
    public InputStream getInputStream() {
      return process.getInputStream();
    }

    @Override
    public InputStream getErrorStream() {
      return process.getErrorStream();
    }
  }
}
