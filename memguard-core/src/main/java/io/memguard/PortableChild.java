package io.memguard;

import io.memguard.launch.engine.PortableLauncher;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.outcome.Signal;
import io.memguard.outcome.WaitStatus;
import io.memguard.platform.Elsewhere;
import io.memguard.platform.procfs.ProcessTree;
import io.memguard.watch.Tail;
import io.memguard.watch.TailInput;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * A child of the portable engine: the JDK reaps it and owns its descriptors. Signals other than
 * TERM and KILL, and process groups, are beyond it.
 */
final class PortableChild implements Child {
  private static final int LAST_SIGNAL = 64;
  private static final Duration LATE_OUTPUT = Duration.ofSeconds(2);

  private final PortableLauncher.Started started;
  private final Process process;
  private final Tail output = new Tail(OUTPUT_TAIL);
  private final Tail error = new Tail(ERROR_TAIL);
  private final OutputStream stdin;
  private final InputStream stdout;
  private final InputStream stderr;
  private final CompletableFuture<End> end;

  PortableChild(PortableLauncher.Started started, boolean unread) {
    this.started = started;
    this.process = started.process();
    InputStream out = new TailInput(process.getInputStream(), output, () -> !process.isAlive());
    InputStream err = new TailInput(process.getErrorStream(), error, () -> !process.isAlive());
    CompletableFuture<End> exit = process.onExit().thenApply(PortableChild::end);
    if (unread) {
      close(process.getOutputStream());
      CompletableFuture<Void> read = CompletableFuture.allOf(pump(out), pump(err));
      this.stdin = NoPipe.SINK;
      this.stdout = NoPipe.SOURCE;
      this.stderr = NoPipe.SOURCE;
      this.end = exit.thenCompose(how -> atMostALittleLonger(read).thenApply(late -> how));
    } else {
      this.stdin = process.getOutputStream();
      this.stdout = out;
      this.stderr = err;
      this.end = exit;
    }
  }

  /** A grandchild may hold the pipe: then nobody waits for it. */
  private static CompletableFuture<Void> atMostALittleLonger(CompletableFuture<Void> read) {
    try {
      return Elsewhere.completeAfter(read.copy(), null, LATE_OUTPUT);
    } catch (OutOfMemoryError e) { // no thread is to be had for the timer: then nothing is late
      return CompletableFuture.completedFuture(null);
    }
  }

  private static CompletableFuture<Void> pump(InputStream from) {
    CompletableFuture<Void> done = new CompletableFuture<>();
    Thread thread =
        new Thread(
            () -> {
              try (from) {
                from.transferTo(OutputStream.nullOutputStream());
              } catch (IOException e) {
                // the stream was closed under it: there is no more to read
              } finally {
                done.complete(null);
              }
            },
            "memguard-reader");
    thread.setDaemon(true);
    thread.start();
    return done;
  }

  private static void close(OutputStream stream) {
    try {
      stream.close();
    } catch (IOException e) {
      // nothing was written to it that could be lost
    }
  }

  /**
   * The JDK folds "killed by n" and "exit(128 + n)" into one number; the first is by far the more
   * frequent.
   */
  private static End end(Process ended) {
    int value = ended.exitValue();
    int signal = value - WaitStatus.SIGNALLED;
    return new End(
        signal >= 1 && signal <= LAST_SIGNAL
            ? new WaitStatus.Kill(new Signal(signal), false)
            : new WaitStatus.Exit(value),
        Optional.empty(),
        System.nanoTime());
  }

  @Override
  public boolean isOnItsWay() {
    return started.isOnItsWay();
  }

  @Override
  public void signal(Signal signal) {
    if (signal.equals(Signal.KILL)) {
      process.destroyForcibly();
    } else if (signal.equals(Signal.TERM)) {
      process.destroy();
    } else {
      throw new UnsupportedOperationException(
          "the portable engine cannot send " + signal + "; it can send SIGTERM and SIGKILL");
    }
  }

  @Override
  public boolean hasEnded() {
    return !process.isAlive() || ProcessTree.hasEnded(process.toHandle()); // the JDK reaps late
  }

  /** The JDK's process closes them itself when it is destroyed. */
  @Override
  public void closeStreams() {}

  @Override
  public Optional<ProcessHandle> handle() {
    return Optional.of(process.toHandle());
  }

  @Override
  public long pid() {
    return process.pid();
  }

  @Override
  public OutputStream stdin() {
    return stdin;
  }

  @Override
  public InputStream stdout() {
    return stdout;
  }

  @Override
  public InputStream stderr() {
    return stderr;
  }

  @Override
  public Map<Protection, ProtectionState> protections() {
    return started.protections();
  }

  @Override
  public void await(long nanos) {
    // the JDK has a thread for that
  }

  @Override
  public CompletableFuture<End> end() {
    return end;
  }

  @Override
  public String outputTail() {
    return output.text();
  }

  @Override
  public String errorTail() {
    return error.text();
  }
}
