package io.memguard.recover;

import io.memguard.events.WhatNext;
import io.memguard.launch.LaunchException;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;
import io.memguard.platform.Elsewhere;
import io.memguard.platform.procfs.Resident;
import java.time.Duration;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.atomic.LongAdder;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Long-lived worker processes, each with its limit, that work on tasks and lose none.
 *
 * <pre>{@code
 * try (WorkerPool pool = guard.pool(
 *     new ProcessBuilder("python3", "worker.py"), MemoryLimits.of("256MiB"), PoolOptions.workers(4))) {
 *   CompletableFuture<byte[]> thumbnail = pool.submit(image);
 * }
 * }</pre>
 *
 * <p>A worker reads tasks from its stdin and writes answers to its stdout, as framed messages: see
 * docs/pools.md, which has the frame and kits for workers. What is no answer is never taken for
 * one: such a worker is ended.
 *
 * <p>Every task that was submitted completes once: with a result; with {@link TaskErrorException},
 * which is the worker's own word; with {@link TaskQuarantinedException}, when all its attempts have
 * cost a worker; with {@link CancellationException}, when the pool was stopped; or with {@link
 * PoolBrokenException}. A task may be begun more than once, and its effects outside happen as
 * often.
 *
 * <p>A task whose worker ran out of memory is tried again on a larger one. The sizes are the pool's
 * first limit and those to which the {@link RetryPolicy} has it grow. Tasks are not done in the
 * order in which they were submitted.
 *
 * <p>A worker that dies is replaced, with a pause of up to 12.8 seconds when one after the other
 * fails by itself. When ten in a row were never ready, or the program cannot be started at all, the
 * pool is broken: all its tasks end with {@link PoolBrokenException}.
 *
 * <p>It has a thread for each worker, and one for its stderr. Futures complete on other threads.
 * Safe to share between threads; virtual ones that wait here leave their carrier.
 */
public final class WorkerPool implements AutoCloseable {
  private static final int MOST_NEVER_READY = 10;
  private static final Logger LOG = LoggerFactory.getLogger(WorkerPool.class);
  private static final AtomicInteger POOLS = new AtomicInteger();

  private final Launcher launcher;
  private final Sizes sizes;
  private final RetryPolicy retry;
  private final PoolOptions options;
  private final TaskLine line;
  private final List<Slot> slots;
  private final List<Thread> threads;
  private final CountDownLatch running;
  private final AtomicLong numbers = new AtomicLong();
  private final AtomicInteger neverReady = new AtomicInteger();
  private final AtomicReference<@Nullable PoolBrokenException> broken = new AtomicReference<>();
  private final LongAdder done = new LongAdder();
  private final LongAdder errors = new LongAdder();
  private final LongAdder quarantined = new LongAdder();
  private final LongAdder retried = new LongAdder();
  private final LongAdder started = new LongAdder();

  /**
   * Starts workers. It is called by all slots, each on its thread, so it has to be safe to share
   * between threads.
   */
  @FunctionalInterface
  public interface Launcher {
    /**
     * Starts a worker.
     *
     * @param limits what it may use
     * @return the process; the pool ends it
     * @throws LaunchException if it could not be started
     */
    WorkerProcess start(MemoryLimits limits) throws LaunchException;

    /**
     * Is told what comes after a worker's end, once for each that was started, on the thread of its
     * slot. It must return soon, and throw nothing.
     *
     * @param worker which one, as {@link #start} returned it
     * @param outcome how it ended
     * @param attempt which attempt at its task that was; 1 if it had none
     * @param next what becomes of its task, or if it had none, of its place
     * @param nextLimits what the task's next worker may use, if it is tried again
     */
    default void ended(
        WorkerProcess worker,
        Outcome outcome,
        int attempt,
        WhatNext next,
        Optional<MemoryLimits> nextLimits) {}
  }

  /**
   * What a pool has done so far, and has before it.
   *
   * @param waiting tasks that wait for a worker
   * @param unfinished tasks that have not completed, those that wait included
   * @param done tasks that completed with a result
   * @param errors tasks that completed with an error of their own
   * @param quarantined tasks that were set aside
   * @param retried attempts that failed and were followed by another
   * @param workersStarted workers that were ready once
   */
  public record Statistics(
      int waiting,
      long unfinished,
      long done,
      long errors,
      long quarantined,
      long retried,
      long workersStarted) {}

  /**
   * A worker that lives.
   *
   * @param pid its number
   * @param limits what it may use
   * @param tasks how many it was given
   * @param busy true if it works on one
   */
  public record WorkerState(long pid, MemoryLimits limits, int tasks, boolean busy) {
    /**
     * Returns what it holds now, without its descendants (proc_pid_statm(5)).
     *
     * @return resident bytes, or empty if it has ended
     */
    public OptionalLong residentBytes() {
      return Resident.bytes(pid);
    }
  }

  private WorkerPool(Launcher launcher, MemoryLimits limits, PoolOptions options) {
    this.launcher = Objects.requireNonNull(launcher, "launcher");
    this.options = Objects.requireNonNull(options, "options");
    this.sizes = Sizes.of(Objects.requireNonNull(limits, "limits"), options);
    this.retry = options.retry().upTo(sizes.ceiling());
    this.line = new TaskLine(Sizes.of(limits), options);
    this.slots =
        Stream.generate(() -> new Slot(this, line, options)).limit(options.workers()).toList();
    this.running = new CountDownLatch(slots.size());
    int number = POOLS.incrementAndGet();
    this.threads = slots.stream().map(slot -> thread(slot, number)).toList();
  }

  /**
   * Opens a pool over a launcher of one's own. With a guard, use {@code MemoryGuard.pool}.
   *
   * @param launcher starts the workers
   * @param limits what each may use at first
   * @param options how the pool works
   * @return the pool; its workers start at once
   * @throws IllegalArgumentException if the workers together do not fit into their budget
   */
  public static WorkerPool open(Launcher launcher, MemoryLimits limits, PoolOptions options) {
    WorkerPool pool = new WorkerPool(launcher, limits, options);
    int begun = 0;
    try {
      for (Thread thread : pool.threads) {
        thread.start();
        begun++;
      }
    } catch (Error e) { // no thread to be had
      pool.shutdownNow();
      for (int i = begun; i < pool.threads.size(); i++) {
        pool.running.countDown();
      }
      throw e;
    }
    return pool;
  }

  private Thread thread(Slot slot, int pool) {
    Runnable work =
        () -> {
          try {
            slot.run();
          } catch (RuntimeException | Error e) {
            LOG.error("A pool's slot failed", e);
            breakDown("A slot of the pool failed: " + e, e);
          } finally {
            running.countDown();
          }
        };
    Thread thread = new Thread(work, "memguard-pool-" + pool + "-" + slots.indexOf(slot));
    thread.setDaemon(true);
    return thread;
  }

  /**
   * Submits a task. While as many as the queue holds are waiting, this waits too.
   *
   * @param task what the worker is given; it is not copied, and must not be changed
   * @return completes with the worker's result, as the class says; cancelling it ends the worker
   *     that has it
   * @throws InterruptedException if this thread was interrupted; nothing was submitted then
   * @throws RejectedExecutionException if the pool was shut down
   * @throws PoolBrokenException if no worker can be started
   * @throws IllegalArgumentException if the task is larger than a frame may be
   */
  public CompletableFuture<byte[]> submit(byte[] task) throws InterruptedException {
    return submit(WorkerTask.of(task));
  }

  /**
   * Submits a task with a deadline of its own, or one whose need is known. While as many as the
   * queue holds are waiting, this waits too.
   *
   * @param task what is to be done
   * @return as {@link #submit(byte[])} says
   * @throws InterruptedException if this thread was interrupted; nothing was submitted then
   * @throws RejectedExecutionException if the pool was shut down
   * @throws PoolBrokenException if no worker can be started
   * @throws IllegalArgumentException if the task is larger than a frame may be
   */
  public CompletableFuture<byte[]> submit(WorkerTask task) throws InterruptedException {
    return submit(task, LaunchOptions.NEVER)
        .orElseThrow(() -> new RejectedExecutionException("the pool was shut down"));
  }

  /**
   * Submits a task, if there is room for it in time.
   *
   * @param task what is to be done
   * @param atMost how long to wait for room; zero or less does not wait
   * @return as {@link #submit(byte[])} says; empty if there was no room
   * @throws InterruptedException if this thread was interrupted; nothing was submitted then
   * @throws RejectedExecutionException if the pool was shut down
   * @throws PoolBrokenException if no worker can be started
   * @throws IllegalArgumentException if the task is larger than a frame may be
   */
  public Optional<CompletableFuture<byte[]>> submit(WorkerTask task, Duration atMost)
      throws InterruptedException {
    if (task.payload().length > options.maxFrameBytes()) {
      throw new IllegalArgumentException(
          "a task of "
              + task.payload().length
              + " bytes is too large; allowed is "
              + options.maxFrameBytes()
              + ", see PoolOptions.withMaxFrameBytes");
    }
    Task it = new Task(numbers.incrementAndGet(), task, sizes, options, retry);
    if (!new Submission(it, TimeUnit.NANOSECONDS.convert(atMost)).isTaken()) {
      PoolBrokenException reason = broken.get();
      if (reason != null) {
        throw new PoolBrokenException(String.valueOf(reason.getMessage()), reason);
      }
      if (!line.isOpen()) {
        throw new RejectedExecutionException("the pool was shut down");
      }
      return Optional.empty();
    }
    endWhenCancelled(it);
    return Optional.of(it.result);
  }

  @SuppressWarnings("FutureReturnValueIgnored") // the action speaks for itself
  private static void endWhenCancelled(Task task) {
    task.result.whenComplete((bytes, trouble) -> task.endIfCancelled());
  }

  /** Waits as the common pool wants it, for whose threads the workers' ends may have to wait. */
  private final class Submission implements ForkJoinPool.ManagedBlocker {
    private final Task task;
    private final long nanos;
    private boolean taken;

    Submission(Task task, long nanos) {
      this.task = task;
      this.nanos = nanos;
    }

    boolean isTaken() throws InterruptedException {
      ForkJoinPool.managedBlock(this);
      return taken;
    }

    @Override
    public boolean block() throws InterruptedException {
      taken = line.submit(task, nanos);
      return true;
    }

    @Override
    public boolean isReleasable() {
      return false;
    }
  }

  /**
   * Returns what it has done so far, and has before it.
   *
   * @return numbers that were right one after the other, not all at once
   */
  public Statistics statistics() {
    return new Statistics(
        line.queued(),
        line.unfinished(),
        done.sum(),
        errors.sum(),
        quarantined.sum(),
        retried.sum(),
        started.sum());
  }

  /**
   * Returns the workers that live now.
   *
   * @return as many as there are slots, or fewer
   */
  public List<WorkerState> workers() {
    return slots.stream().map(Slot::state).flatMap(Optional::stream).toList();
  }

  /** Takes no new tasks. Those that were submitted are worked on, and then the workers end. */
  public void shutdown() {
    abandonStartsIf(line.drain());
  }

  /** When all is done, nobody is to wait for a worker that is still being started. */
  private void abandonStartsIf(boolean over) {
    if (over) {
      slots.forEach(Slot::abandonStart);
    }
  }

  /**
   * Ends all workers at once, with what they do. Tasks that have not completed end with {@link
   * CancellationException}.
   */
  public void shutdownNow() {
    stop(new CancellationException("the pool was stopped"));
  }

  private void stop(RuntimeException reason) {
    for (Task task : line.stop()) {
      complete(task, () -> task.result.completeExceptionally(reason));
    }
    slots.forEach(Slot::abandonStart);
    slots.forEach(Slot::endNow);
  }

  /**
   * Waits until a pool that was shut down has done everything, and its workers have ended.
   *
   * @param atMost how long; zero or less does not wait
   * @return true if so
   * @throws InterruptedException if this thread was interrupted
   */
  public boolean awaitTermination(Duration atMost) throws InterruptedException {
    return running.await(TimeUnit.NANOSECONDS.convert(atMost), TimeUnit.NANOSECONDS);
  }

  /**
   * Takes no new tasks, and waits until those that were submitted are done and the workers have
   * ended. If this thread is interrupted, the pool is stopped at once, and its interrupt status is
   * set again. Not to be called by what a task's future runs when it completes: it would wait for
   * itself.
   */
  @Override
  public void close() {
    shutdown();
    boolean interrupted = false;
    while (true) {
      try {
        running.await();
        break;
      } catch (InterruptedException e) {
        interrupted = true;
        shutdownNow();
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  MemoryLimits first() {
    return sizes.first();
  }

  Launcher launcher() {
    return launcher;
  }

  void answered(Task task, Frame answer) {
    if (answer.type() == Frame.Type.RESULT) {
      done.increment();
      complete(task, () -> task.result.complete(answer.payload()));
    } else {
      errors.increment();
      TaskErrorException error = new TaskErrorException(answer.text());
      complete(task, () -> task.result.completeExceptionally(error));
    }
  }

  /**
   * Decides what becomes of a task that cost a worker.
   *
   * @param worker which has ended
   */
  void failed(Task task, TaskAttempt attempt, Worker worker) {
    if (task.result.isDone()) { // cancelled
      settled(worker, attempt, WhatNext.REPLACE, Optional.empty());
      finished(task);
    } else if (line.isStopped()) {
      settled(worker, attempt, WhatNext.NOTHING, Optional.empty());
      stopped(task);
    } else if (task.goOnAfter(attempt)) {
      retried.increment();
      settled(worker, attempt, WhatNext.RETRY, Optional.of(task.limits()));
      tell(listener -> listener.taskRetried(task.number, attempt, task.limits()));
      again(task);
    } else {
      settled(worker, attempt, WhatNext.QUARANTINE, Optional.empty());
      setAside(task, task.quarantined());
    }
  }

  private void settled(
      Worker worker, TaskAttempt attempt, WhatNext next, Optional<MemoryLimits> nextLimits) {
    launcher.ended(worker.process(), attempt.outcome(), attempt.number(), next, nextLimits);
  }

  /** Says that a worker has ended that had no task. */
  void settled(Worker worker, Outcome outcome, boolean replaced) {
    WhatNext next = replaced && !line.isOver() ? WhatNext.REPLACE : WhatNext.NOTHING;
    launcher.ended(worker.process(), outcome, 1, next, Optional.empty());
  }

  /** What is to be told of a task whose slot has failed. */
  void lost(Task task, Throwable reason) {
    complete(task, () -> task.result.completeExceptionally(reason));
  }

  private void setAside(Task task, TaskQuarantinedException reason) {
    quarantined.increment();
    LOG.warn("Task {}: {}", task.number, reason.getMessage());
    tell(listener -> listener.taskQuarantined(task.number, task.payload, reason));
    complete(task, () -> task.result.completeExceptionally(reason));
  }

  void again(Task task) {
    if (!line.again(task)) {
      stopped(task);
    }
  }

  private void stopped(Task task) {
    PoolBrokenException reason = broken.get();
    RuntimeException why =
        reason != null ? reason : new CancellationException("the pool was stopped");
    complete(task, () -> task.result.completeExceptionally(why));
  }

  /** On another thread: what users hang onto a future is not to hold up the slot. */
  private void complete(Task task, Runnable completion) {
    Elsewhere.run(
        () -> {
          try {
            completion.run();
          } finally {
            finished(task);
          }
        });
  }

  /** Nobody has anything to do with a task any more; only the first time counts. */
  void finished(Task task) {
    if (task.finish()) {
      abandonStartsIf(line.finished());
    }
  }

  void ready(Worker worker) {
    neverReady.set(0);
    started.increment();
    tell(listener -> listener.workerStarted(worker.pid(), worker.limits()));
  }

  void ended(Worker worker, String reason, Outcome outcome) {
    tell(listener -> listener.workerEnded(worker.pid(), reason, outcome));
  }

  /** A larger worker than the first ones could not be started. */
  void hasNoWorker(Task task, LaunchException e) {
    LOG.warn("A larger worker could not be started: {}", e.getMessage());
    if (line.isStopped() || e.isRetryable() || task.goOnAfterLaunchFailure()) {
      task.putOff();
      again(task);
    } else {
      setAside(task, task.quarantined(e));
    }
  }

  void cannotStart(LaunchException e) {
    if (line.isOver()) {
      return; // its start was given up
    }
    LOG.warn("A worker could not be started: {}", e.getMessage());
    if (!e.isRetryable()) {
      breakDown("The pool's workers cannot be started: " + e.getMessage(), e);
    }
  }

  void neverReady(Worker.Failed e) {
    if (line.isOver()) {
      return;
    }
    LOG.warn("A worker was not ready: {}", e.explanation());
    if (neverReady.incrementAndGet() >= MOST_NEVER_READY) {
      breakDown(
          "None of the last "
              + MOST_NEVER_READY
              + " workers got ready; the last: "
              + e.explanation(),
          e.outcome().toException());
    }
  }

  private void breakDown(String message, Throwable cause) {
    PoolBrokenException reason = new PoolBrokenException(message, cause);
    if (broken.compareAndSet(null, reason)) {
      LOG.error(message);
      stop(reason);
    }
  }

  private void tell(Consumer<PoolListener> event) {
    try {
      event.accept(options.listener());
    } catch (RuntimeException | Error e) {
      LOG.error("The pool's listener failed", e);
    }
  }
}
