package io.memguard;

import io.memguard.limits.MemoryLimits;
import io.memguard.limits.MemorySource.Reservation;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.outcome.Evidence.Ending;
import io.memguard.outcome.MemoryReading;
import io.memguard.outcome.MemorySample;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.Preemption;
import io.memguard.outcome.ResourceUsage;
import io.memguard.outcome.Signal;
import io.memguard.outcome.WaitStatus;
import io.memguard.platform.Elsewhere;
import io.memguard.platform.cgroup.Leaf;
import io.memguard.recover.WorkerProcess;
import java.io.InputStream;
import java.io.OutputStream;
import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * A running child under guard: a {@link Process} in every way, that besides knows how it really
 * ended.
 *
 * <p>When the child has ended, what it wrote to its pipes can still be read, as with the JDK's
 * processes; with the native engine, reading does not wait for a grandchild that holds them open,
 * and signals are sent through a pidfd (pidfd_send_signal(2)), which never reaches another process
 * that was given the same number.
 *
 * <p>Safe to share between threads, its streams included.
 */
public final class GuardedProcess extends Process implements WorkerProcess {
  /** A thread that waits for a short-lived child hears of interruption that late at most. */
  private static final long BRIEFLY_NANOS = 5_000_000;

  private static final String VIRTUAL_THREADS = "VirtualThreads";

  private final Child child;
  private final Postmortem postmortem;
  private final MemoryLimits limits;
  private final Reservation memory;
  private final Function<GuardedProcess, Optional<MemoryReading>> reader;
  private final TreeEnder treeEnder;
  private final Consumer<Outcome> atTheEnd;
  private final CompletableFuture<Outcome> ended;
  private @Nullable ProcessHandle handle;

  /**
   * Makes the process.
   *
   * @param memory given back when nothing of the child is left, as far as that is known
   * @param atTheEnd is told the outcome before anybody else; must not wait, and throw nothing
   * @param reader reads what it holds
   */
  GuardedProcess(
      Child child,
      Postmortem postmortem,
      MemoryLimits limits,
      Reservation memory,
      Consumer<Outcome> atTheEnd,
      Function<GuardedProcess, Optional<MemoryReading>> reader) {
    this.child = child;
    this.postmortem = postmortem;
    this.limits = limits;
    this.memory = memory;
    this.atTheEnd = atTheEnd;
    this.reader = reader;
    this.treeEnder = new TreeEnder(this, postmortem.mark(), this::giveBack);
    this.ended = child.end().thenCompose(postmortem::examine).whenComplete(this::atTheEnd);
  }

  /** Before the outcome is known: whoever knows it may take the memory again. */
  @SuppressWarnings("FutureReturnValueIgnored") // the action speaks for itself
  private void atTheEnd(@Nullable Outcome outcome, @Nullable Throwable trouble) {
    if (outcome == null) {
      memory.close(); // the leaf may never be removed
    } else {
      atTheEnd.accept(outcome);
      treeEnder.whenDone().thenRun(this::giveBack);
    }
  }

  /** Gives the memory back when the leaf is gone; the second time has no effect. */
  @SuppressWarnings("FutureReturnValueIgnored") // the action speaks for itself
  private void giveBack() {
    postmortem.leafGone().thenRun(memory::close);
  }

  /**
   * Returns the outcome, as soon as it is known.
   *
   * @return completes with the outcome, never exceptionally; completing or cancelling it has no
   *     effect on the process
   */
  @Override
  public CompletableFuture<Outcome> outcome() {
    return ended.thenComposeAsync(
        outcome -> treeEnder.whenDone().thenApply(done -> outcome), Elsewhere::run);
  }

  /**
   * Returns how the kernel says it ended, which tells {@code exit(137)} and SIGKILL apart where
   * {@link #exitValue} cannot. The portable engine cannot either, and then says SIGKILL.
   *
   * @return the wait status, or empty if it has not ended
   */
  public Optional<WaitStatus> waitStatus() {
    return nowIfEnded().map(outcome -> outcome.evidence().status());
  }

  /**
   * Returns what it and the descendants it waited for used.
   *
   * @return the usage, or empty if it has not ended, or was started by the portable engine
   */
  public Optional<ResourceUsage> resourceUsage() {
    return nowIfEnded().flatMap(outcome -> outcome.evidence().usage());
  }

  /**
   * Returns what its runtime was told of its limit, as {@code Evidence.tuning} has it.
   *
   * @return values by name; empty if it was told nothing
   */
  public Map<String, String> tuning() {
    return postmortem.tuning();
  }

  /**
   * Returns what is really in force for this process, and why something is not.
   *
   * @return each protection that was not switched off
   */
  public Map<Protection, ProtectionState> protections() {
    return postmortem.protections();
  }

  /**
   * Reads what it and all its descendants hold now, with either engine, and what limit there is for
   * that. Nothing is read unless this is called.
   *
   * <p>In a cgroup of its own that takes some ten microseconds a process. Elsewhere the kernel has
   * to walk through all that they have: about a millisecond for 100 MiB, on the calling thread, for
   * which each process has to wait that changes its mappings just then. One thread reads at a time;
   * others that call this wait.
   *
   * <p>A descendant whose parent had ended before this was first called is found where all of them
   * are marked: with {@link Protection#TREE_WATCH} or {@link Protection#HEADROOM_GUARD} in force.
   *
   * @return the reading; empty if the child has ended, the guard is closed, or {@code /proc} is not
   *     that of this process's pid namespace
   * @see <a
   *     href="https://man7.org/linux/man-pages/man5/proc_pid_smaps.5.html">proc_pid_smaps(5)</a>
   */
  public Optional<MemoryReading> memory() {
    return reader.apply(this);
  }

  /** Returns its own cgroup, if it is in one. */
  Optional<Leaf> leaf() {
    return postmortem.leaf();
  }

  /** Returns above which size all of it is ended; empty for never. */
  OptionalLong togetherMax() {
    Optional<Leaf> leaf = leaf();
    if (leaf.isPresent()) {
      return leaf.get().limits().max();
    }
    ProtectionState watch = protections().get(Protection.TREE_WATCH);
    return watch != null && watch.active() ? limits.treeMemoryMax() : OptionalLong.empty();
  }

  /**
   * Returns the limits it was started with.
   *
   * @return the limits
   */
  public MemoryLimits limits() {
    return limits;
  }

  /**
   * Ends the child and all its descendants: SIGTERM now, and SIGKILL for those that still live
   * after a while. The outcome is {@link Outcome.Cancelled}, unless it ended before.
   *
   * @param grace how long they may take to end themselves, zero or more; zero kills at once. If it
   *     is being ended already, the shorter one counts
   * @return completes with the outcome when all have ended
   * @throws IllegalArgumentException if the grace is negative
   */
  @Override
  public CompletableFuture<Outcome> destroyTree(Duration grace) {
    if (grace.isNegative()) {
      throw new IllegalArgumentException(
          "a grace of " + grace + " is negative; allowed is zero, which kills at once, or more");
    }
    return endTree(Ending.CANCEL, grace);
  }

  private CompletableFuture<Outcome> endTree(Ending ending, Duration grace) {
    beginToEnd(ending, grace);
    return outcome();
  }

  /** Begins to end the tree, and waits for nothing. */
  void beginToEnd(Ending ending, Duration grace) {
    Objects.requireNonNull(grace, "grace");
    noteEnding(ending);
    treeEnder.end(grace);
  }

  /** Returns what it had of its memory when somebody last looked, where anybody does. */
  Optional<MemorySample> sample() {
    return postmortem.sample();
  }

  /** Notes what it has of its memory. */
  void sampled(MemorySample sample) {
    postmortem.sampled(sample);
  }

  /**
   * Ends the tree for its memory, and those of it that are known at once.
   *
   * @param reading why; if it is being ended already, the first reason counts
   * @param members pids that were just seen
   */
  void preempt(Preemption reading, Set<ProcessHandle> members, Duration grace) {
    if (hasEnded()) {
      postmortem.leftTooMuch(reading);
    } else {
      postmortem.endedBy(reading);
    }
    treeEnder.end(grace, members);
  }

  /** Tells whether the child has ended, even if that is not known to everybody yet. */
  boolean hasEnded() {
    return child.hasEnded();
  }

  /** Returns what every descendant has in its environment, or empty. */
  Optional<String> mark() {
    return postmortem.mark();
  }

  /** Tells whether its tree is being ended, and something of it may be left. */
  boolean isEnding() {
    return !treeEnder.whenDone().isDone();
  }

  /** Tells whether the child has ended, and what was left of a tree that is being ended too. */
  boolean isGone() {
    return hasEnded() && treeEnder.whenDone().isDone();
  }

  /** A child that has ended by itself was not ended by us, even if that was meant to happen. */
  private void noteEnding(Ending ending) {
    if (!hasEnded()) {
      postmortem.endedBy(ending);
    }
  }

  /** Ends the tree when its time is over; the timer is forgotten when the child ends before. */
  @SuppressWarnings("FutureReturnValueIgnored") // the future is only the timer
  void endAfter(Duration timeout, Duration grace) {
    Future<?> timer =
        Elsewhere.after(
            TimeUnit.NANOSECONDS.convert(timeout),
            () -> {
              if (!hasEnded()) { // what it left behind has no time-out
                beginToEnd(Ending.TIME_OUT, grace);
              }
            });
    ended.whenComplete((outcome, trouble) -> timer.cancel(false));
  }

  /** Does something right after the end, on a thread that must not be held up. */
  @SuppressWarnings("FutureReturnValueIgnored") // the action speaks for itself
  void whenEnded(Runnable action) {
    ended.whenComplete((outcome, trouble) -> action.run());
  }

  private Optional<Outcome> nowIfEnded() {
    return Optional.ofNullable(ended.getNow(null));
  }

  /** Waits for the child, and for its descendants where they are being ended too. */
  Outcome awaitSettled() throws InterruptedException {
    Outcome outcome = await();
    try {
      treeEnder.whenDone().get();
    } catch (ExecutionException e) {
      throw new IllegalStateException(
          "the descendants of pid " + pid() + " could not be ended", e.getCause());
    }
    return outcome;
  }

  /**
   * Waits until the child has ended and its outcome is known. On a platform thread, the first 5
   * milliseconds are spent waiting in the kernel, where an interrupt is not heard: it is heard that
   * much later at most.
   *
   * @return the exit value: the code, or 128 + n after death by signal n, as with the JDK's
   *     processes
   * @throws InterruptedException if this thread was interrupted; the child goes on then
   */
  @Override
  public int waitFor() throws InterruptedException {
    return exitValue(await());
  }

  private Outcome await() throws InterruptedException {
    awaitBriefly(BRIEFLY_NANOS);
    try {
      return ended.get();
    } catch (ExecutionException e) {
      throw new IllegalStateException(
          "the outcome of pid " + pid() + " could not be determined", e.getCause());
    }
  }

  /**
   * Most children that end soon need not wake the watcher, to have it wake this thread. Not on a
   * virtual thread: it would keep its carrier.
   */
  private void awaitBriefly(long nanos) {
    Thread thread = Thread.currentThread();
    if (nanos > 0
        && !ended.isDone()
        && !thread.isInterrupted()
        && !thread.getThreadGroup().getName().equals(VIRTUAL_THREADS)) {
      child.await(nanos);
    }
  }

  /**
   * Waits until the child has ended and its outcome is known, or the time is over; an interrupt is
   * heard as late as in {@link #waitFor()}.
   *
   * @param timeout how long at most; zero or less does not wait
   * @param unit of {@code timeout}
   * @return true if it has ended
   * @throws InterruptedException if this thread was interrupted; the child goes on then
   * @throws IllegalStateException if its outcome could not be determined
   */
  @Override
  public boolean waitFor(long timeout, TimeUnit unit) throws InterruptedException {
    long began = System.nanoTime();
    long nanos = Math.max(0, unit.toNanos(timeout));
    awaitBriefly(Math.min(nanos, BRIEFLY_NANOS));
    try {
      ended.get(nanos - (System.nanoTime() - began), TimeUnit.NANOSECONDS);
      return true;
    } catch (TimeoutException e) {
      return false;
    } catch (ExecutionException e) {
      throw new IllegalStateException(
          "the outcome of pid " + pid() + " could not be determined", e.getCause());
    }
  }

  /**
   * Returns the number that shells and the JDK have for its end; {@link #waitStatus} tells more.
   *
   * @return the exit code, 0 to 255, or 128 + n after death by signal n
   * @throws IllegalThreadStateException if it has not ended, or its outcome is not known yet
   */
  @Override
  public int exitValue() {
    return nowIfEnded()
        .map(GuardedProcess::exitValue)
        .orElseThrow(() -> new IllegalThreadStateException("process hasn't exited"));
  }

  private static int exitValue(Outcome outcome) {
    return outcome.evidence().status().exitValue();
  }

  /**
   * Tells whether its outcome is still to come, as {@link #waitFor()} waits for it.
   *
   * @return false when it has ended and its outcome is known
   */
  @Override
  public boolean isAlive() {
    return !ended.isDone();
  }

  /**
   * Asks the child to end, by SIGTERM. The outcome is {@link Outcome.Cancelled}, unless it ended
   * before.
   */
  @Override
  public void destroy() {
    endItself(Signal.TERM);
  }

  /**
   * Ends the child at once, by SIGKILL. The outcome is {@link Outcome.Cancelled}, unless it ended
   * before.
   *
   * @return this process, which may take a moment to end
   */
  @Override
  public Process destroyForcibly() {
    endItself(Signal.KILL);
    return this;
  }

  private void endItself(Signal signal) {
    if (isAlive()) {
      noteEnding(Ending.CANCEL);
      child.signal(signal);
      child.closeStreams(); // as the JDK's processes do
    }
  }

  @Override
  public boolean supportsNormalTermination() {
    return true;
  }

  /**
   * Returns this process, as soon as its outcome is known.
   *
   * @return completes on a thread {@code memguard-elsewhere}; completing or cancelling it has no
   *     effect on the process
   */
  @Override
  public CompletableFuture<Process> onExit() {
    return ended.handleAsync((outcome, trouble) -> this, Elsewhere::run);
  }

  @Override
  public long pid() {
    return child.pid();
  }

  @Override
  public synchronized ProcessHandle toHandle() {
    if (handle == null) {
      handle = child.handle().orElseGet(() -> new EndedProcessHandle(pid()));
    }
    return handle;
  }

  /**
   * Returns where its stdin comes from.
   *
   * @return the pipe, buffered: writing fails when nobody reads it any more, and at once if stdin
   *     is redirected
   */
  @Override
  public OutputStream getOutputStream() {
    return child.stdin();
  }

  /**
   * Returns what it writes to stdout.
   *
   * @return the pipe, buffered; empty if stdout is redirected
   */
  @Override
  public InputStream getInputStream() {
    return child.stdout();
  }

  /**
   * Returns what it writes to stderr.
   *
   * @return the pipe, buffered; empty if stderr is redirected, or goes where stdout goes
   */
  @Override
  public InputStream getErrorStream() {
    return child.stderr();
  }

  @Override
  public String toString() {
    return "GuardedProcess[pid="
        + pid()
        + ", "
        + (isAlive() ? "running" : nowIfEnded().map(Outcome::explanation).orElse(""))
        + "]";
  }
}
