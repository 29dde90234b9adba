package io.memguard.examples.images;

import io.memguard.launch.LaunchException;
import io.memguard.launch.LaunchStep;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Evidence;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.Signal;
import io.memguard.outcome.WaitStatus;
import io.memguard.recover.WorkerProcess;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;

/**
 * A worker as {@link ProcessBuilder} starts it: nothing limits it, and nothing is known of its end
 * but the exit code.
 *
 * @param process the process
 */
record PlainWorker(Process process) implements WorkerProcess {
  static PlainWorker start(ProcessBuilder program) throws LaunchException {
    try {
      return new PlainWorker(program.start());
    } catch (IOException e) {
      throw new LaunchException(LaunchStep.EXEC, 0, String.valueOf(e.getMessage()), "");
    }
  }

  @Override
  public long pid() {
    return process.pid();
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

  @Override
  public CompletableFuture<Outcome> outcome() {
    return process.onExit().thenApply(ended -> outcome(ended.exitValue()));
  }

  @Override
  public CompletableFuture<Outcome> destroyTree(Duration grace) {
    process.destroyForcibly();
    return outcome();
  }

  private Outcome outcome(int exit) {
    if (exit > WaitStatus.SIGNALLED) { // or it has ended with such a code: nobody knows
      Signal signal = new Signal(exit - WaitStatus.SIGNALLED);
      return new Outcome.Signalled(signal, evidence(new WaitStatus.Kill(signal, false)));
    }
    return new Outcome.Exited(exit, evidence(new WaitStatus.Exit(exit)));
  }

  private Evidence evidence(WaitStatus status) {
    return new Evidence(
        process.pid(),
        "python3",
        Optional.empty(),
        status,
        Evidence.Ending.ITS_OWN,
        Optional.empty(),
        Duration.ZERO,
        MemoryLimits.none(),
        Map.of(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        "",
        "",
        Set.of(),
        Map.of(),
        List.of());
  }
}
