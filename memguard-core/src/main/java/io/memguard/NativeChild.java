package io.memguard;

import io.memguard.launch.LaunchException;
import io.memguard.launch.LaunchStep;
import io.memguard.launch.engine.Launched;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.outcome.ResourceUsage;
import io.memguard.outcome.Signal;
import io.memguard.platform.Linux;
import io.memguard.watch.PipeDrain;
import io.memguard.watch.PipeInput;
import io.memguard.watch.PipeOutput;
import io.memguard.watch.Tail;
import io.memguard.watch.Watcher;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;

/**
 * A child of the native engine. It owns the child's pidfd and the parent's ends of its pipes, and
 * closes them all when the child has been reaped.
 */
final class NativeChild implements Child {
  /** For marks alone, which callers of the JDK's processes may set: the pipe has its own buffer. */
  private static final int SMALL = 256;

  private final Launched launched;
  private final Tail output = new Tail(OUTPUT_TAIL);
  private final Tail error = new Tail(ERROR_TAIL);
  private final List<Integer> unused = new ArrayList<>(3);
  private final List<Runnable> whenEnded = new ArrayList<>(3);
  private final List<Runnable> whenDestroyed = new ArrayList<>(3);
  private OutputStream stdin = NoPipe.SINK;
  private InputStream stdout = NoPipe.SOURCE;
  private InputStream stderr = NoPipe.SOURCE;
  private final CompletableFuture<End> end = new CompletableFuture<>();
  private final Watcher.ExitWatch watch;
  private boolean reaped;

  /** Ends the child if the kernel refuses to watch it. */
  NativeChild(Watcher watcher, Launched launched, boolean unread) throws LaunchException {
    this.launched = launched;
    this.unused.addAll(List.of(launched.stdin(), launched.stdout(), launched.stderr()));
    this.unused.removeIf(fd -> fd < 0);
    try {
      stdin = stdin(watcher, launched.stdin(), unread);
      stdout = source(watcher, launched.stdout(), output, unread);
      stderr = source(watcher, launched.stderr(), error, unread);
      watch = watcher.watchExit(launched.pidfd(), this::reaped);
    } catch (IOException e) {
      abandon();
      throw new LaunchException(
          LaunchStep.WATCH,
          0,
          String.valueOf(e.getMessage()),
          "See fs.epoll.max_user_watches; run fewer children at a time.");
    } catch (RuntimeException | Error e) {
      abandon();
      throw e;
    }
  }

  /** Ends the child, unless it has ended and was reaped already. */
  private synchronized void abandon() {
    if (reaped) {
      return; // its descriptors are closed, and their numbers another's
    }
    Linux.guard_abandon(launched.pidfd());
    try {
      closeAll();
    } finally { // those that nobody took over
      unused.forEach(Linux::guard_close);
    }
  }

  private void closeAll() {
    synchronized (this) {
      reaped = true;
      Linux.guard_close(launched.pidfd());
    }
    whenEnded.forEach(Runnable::run);
  }

  private OutputStream stdin(Watcher watcher, int fd, boolean unread) {
    if (fd < 0) {
      return NoPipe.SINK;
    }
    PipeOutput pipe = new PipeOutput(watcher, fd);
    unused.remove((Integer) fd);
    if (unread) {
      pipe.close(); // nobody will write
      return NoPipe.SINK;
    }
    whenEnded.add(pipe::childEnded);
    whenDestroyed.add(pipe::close);
    return new BufferedOutputStream(pipe);
  }

  private InputStream source(Watcher watcher, int fd, Tail tail, boolean unread)
      throws IOException {
    if (fd < 0) {
      return NoPipe.SOURCE;
    }
    unused.remove((Integer) fd); // they close it, also where they cannot be made
    if (unread) {
      PipeDrain drain = new PipeDrain(watcher, fd, tail);
      whenEnded.add(drain::childEnded);
      return NoPipe.SOURCE;
    }
    PipeInput pipe = new PipeInput(watcher, fd, tail);
    InputStream source = new BufferedInputStream(pipe, SMALL);
    whenEnded.add(pipe::childEnded);
    whenDestroyed.add(() -> close(source)); // with what it has read ahead, as the JDK's do
    return source;
  }

  private static void close(InputStream source) {
    try {
      source.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e); // never: PipeInput's close throws none
    }
  }

  private void reaped(Watcher.Exit exit) {
    long at = System.nanoTime();
    Optional<ResourceUsage> usage = Optional.empty();
    try {
      closeAll();
      usage = Optional.of(usage(exit));
    } finally { // whatever became of its last output, nobody may wait for the child for ever
      end.complete(new End(exit.status(), usage, at));
    }
  }

  private ResourceUsage usage(Watcher.Exit exit) {
    boolean ownPeak = exit.peakRssBytes() > launched.parentPeakRssBytes();
    return new ResourceUsage(
        Duration.of(exit.userMicros(), ChronoUnit.MICROS),
        Duration.of(exit.systemMicros(), ChronoUnit.MICROS),
        ownPeak ? OptionalLong.of(exit.peakRssBytes()) : OptionalLong.empty());
  }

  @Override
  public synchronized boolean hasEnded() {
    return reaped || Linux.guard_has_ended(launched.pidfd()) != 0;
  }

  @Override
  public void closeStreams() {
    whenDestroyed.forEach(Runnable::run);
  }

  @Override
  public boolean isOnItsWay() {
    return false; // it is the program when its launch is over
  }

  @Override
  public synchronized void signal(Signal signal) {
    if (!reaped) {
      Linux.guard_pidfd_signal(launched.pidfd(), signal.number());
    }
  }

  /**
   * The pid is nobody else's only as long as the child was not reaped: that is asked after it was
   * looked up.
   */
  @Override
  public synchronized Optional<ProcessHandle> handle() {
    Optional<ProcessHandle> handle = ProcessHandle.of(launched.pid());
    return isUnreaped() ? handle : Optional.empty();
  }

  private boolean isUnreaped() {
    return !reaped && Linux.guard_pidfd_signal(launched.pidfd(), 0) == 0;
  }

  @Override
  public long pid() {
    return launched.pid();
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
    return launched.protections();
  }

  @Override
  public void await(long nanos) {
    watch.await(nanos);
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
