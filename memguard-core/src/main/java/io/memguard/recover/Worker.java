package io.memguard.recover;

import io.memguard.events.WhatNext;
import io.memguard.launch.LaunchException;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;
import io.memguard.platform.Elsewhere;
import io.memguard.platform.procfs.Resident;
import io.memguard.recover.TaskAttempt.Failure;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicReference;
import org.jspecify.annotations.Nullable;

/**
 * One worker process, and the conversation with it. It owns the process, and the thread that reads
 * its stderr, which ends with it. One thread talks to it; any thread may have it ended.
 */
final class Worker {
  /** What a dying runtime has written to the wrong place is worth a moment: it may say why. */
  private static final Duration LAST_WORDS = Duration.ofSeconds(1);

  private static final int BUFFER = 8 << 10;

  private final WorkerProcess process;
  private final MemoryLimits limits;
  private final PoolOptions options;
  private final CompletableFuture<Outcome> outcome; // one, for each call makes another
  private final long began = System.nanoTime();

  /** Why it is ended before its time; the first reason counts. */
  private final AtomicReference<@Nullable Ending> ending = new AtomicReference<>();

  /** What it has written to stderr, and what it had when it was given its task. */
  private volatile long errorBytes;

  private volatile long errorBytesBefore;
  private volatile int tasks;

  private enum Ending {
    DEADLINE,
    FLOOD,
    CANCELLED
  }

  private interface Conversation {
    Frame frame() throws IOException;
  }

  /** It has failed, and has ended. */
  static final class Failed extends Exception {
    private static final long serialVersionUID = 1L;
    private final transient Worker worker;
    private final Failure failure;
    private final transient Outcome outcome;

    Failed(Worker worker, Failure failure, String explanation, Outcome outcome) {
      super(explanation);
      this.worker = worker;
      this.failure = failure;
      this.outcome = outcome;
    }

    Worker worker() {
      return worker;
    }

    Failure failure() {
      return failure;
    }

    String explanation() {
      return String.valueOf(getMessage());
    }

    Outcome outcome() {
      return outcome;
    }
  }

  private Worker(WorkerProcess process, MemoryLimits limits, PoolOptions options) {
    this.process = process;
    this.limits = limits;
    this.options = options;
    this.outcome = process.outcome();
  }

  /** Starts one; it is not ready yet. */
  static Worker start(WorkerPool.Launcher launcher, MemoryLimits limits, PoolOptions options)
      throws LaunchException {
    Worker worker = new Worker(launcher.start(limits), limits, options);
    try {
      Thread errors = new Thread(worker::readErrors, "memguard-pool-stderr-" + worker.pid());
      errors.setDaemon(true);
      errors.start();
    } catch (Error e) { // no thread to be had
      launcher.ended(worker.process, worker.endNow(), 1, WhatNext.NOTHING, Optional.empty());
      throw e;
    }
    return worker;
  }

  WorkerProcess process() {
    return process;
  }

  long pid() {
    return process.pid();
  }

  MemoryLimits limits() {
    return limits;
  }

  int tasks() {
    return tasks;
  }

  boolean hasEnded() {
    return outcome.isDone();
  }

  /** Tells whether it may be given a task: it lives, is not to end, and has kept silent. */
  boolean isWell() {
    return !hasEnded() && ending.get() == null && !hasSpokenOutOfTurn();
  }

  /** Has something done when it has ended. */
  @SuppressWarnings("FutureReturnValueIgnored") // the action speaks for itself
  void whenEnded(Runnable action) {
    outcome.whenComplete((how, trouble) -> action.run());
  }

  /** Waits until it is ready. */
  void awaitReady() throws Failed {
    Frame frame = inTime(options.startTimeout(), () -> Frame.read(process.getInputStream(), 0));
    if (frame.type() != Frame.Type.READY) {
      throw garbage("it said " + frame.type() + " before it was ready");
    }
    if (frame.task() != Frame.VERSION) {
      throw garbage("it speaks version " + frame.task() + " of the protocol, not " + Frame.VERSION);
    }
  }

  /** Gives it a task, and waits for the answer. */
  Frame ask(long task, byte[] payload, Duration deadline) throws Failed {
    errorBytesBefore = errorBytes;
    int before = tasks; // by this thread alone
    tasks = before + 1;
    Frame answer =
        inTime(
            deadline,
            () -> {
              new Frame(Frame.Type.TASK, task, payload).write(process.getOutputStream());
              return Frame.read(process.getInputStream(), options.maxFrameBytes());
            });
    if (answer.task() != task) {
      throw garbage("it answered task " + answer.task() + " instead of " + task);
    }
    return switch (answer.type()) {
      case RESULT, ERROR -> answer;
      case MEMORY -> throw refused(answer.text());
      case TASK, READY -> throw garbage("it said " + answer.type() + " instead of an answer");
    };
  }

  /** Talks to it, and ends it when its time is over. */
  private Frame inTime(Duration time, Conversation talk) throws Failed {
    AtomicBoolean over = new AtomicBoolean();
    try {
      Future<?> timer =
          Elsewhere.after(
              TimeUnit.NANOSECONDS.convert(time),
              () -> {
                if (!over.getAndSet(true)) {
                  endFor(Ending.DEADLINE);
                }
              });
      try {
        return talk.frame();
      } finally { // its time does not go on while we wait for the end of one that failed
        timer.cancel(false);
        if (over.getAndSet(true)) {
          endFor(Ending.DEADLINE); // it was late: not to be taken for the next task's end
        }
      }
    } catch (IOException e) {
      throw broken(e);
    } catch (OutOfMemoryError e) { // this JVM's
      cancel();
      throw failed(
          Failure.WORKER_DIED,
          "this JVM had no memory for what it said, or no thread to watch the time",
          process.destroyTree(Duration.ZERO).join());
    }
  }

  /** Tells whether it has said something that nobody has asked for, such as a second answer. */
  private boolean hasSpokenOutOfTurn() {
    try {
      return process.getInputStream().available() > 0;
    } catch (IOException e) {
      return false; // its stdout is closed: it has ended, or the next task will tell
    }
  }

  /** Tells whether it is to be replaced, though it is well. */
  boolean isUsedUp() {
    PoolOptions.Recycling recycling = options.recycling();
    return tasks >= recycling.tasks()
        || Duration.ofNanos(System.nanoTime() - began).compareTo(recycling.age()) > 0
        || holdsMoreThan(recycling.residentBytes().orElse(Long.MAX_VALUE));
  }

  /** Looks only where there is something to compare with. */
  private boolean holdsMoreThan(long bytes) {
    return bytes < Long.MAX_VALUE && Resident.bytes(pid()).orElse(0) > bytes;
  }

  boolean wasCancelled() {
    return ending.get() == Ending.CANCELLED;
  }

  /** Has it ended at once, whatever it does. */
  void cancel() {
    endFor(Ending.CANCELLED);
  }

  @SuppressWarnings("FutureReturnValueIgnored") // who talks to it sees its end
  private void endFor(Ending reason) {
    if (ending.compareAndSet(null, reason)) {
      process.destroyTree(Duration.ZERO);
    }
  }

  /** Ends it. */
  Outcome endNow() {
    return process.destroyTree(Duration.ZERO).join();
  }

  /** Has it end: it sees the end of its stdin, then SIGTERM, then SIGKILL. */
  Outcome end() {
    try {
      process.getOutputStream().close();
    } catch (IOException e) {
      // it has closed its end before, or has ended
    }
    return settled(options.launch().grace());
  }

  private Failed refused(String words) {
    Outcome how = end();
    return new Failed(
        this,
        Failure.OUT_OF_MEMORY,
        how instanceof Outcome.OutOfMemory
            ? how.explanation()
            : "It says that it was refused memory: " + words,
        how);
  }

  private Failed garbage(String what) {
    return failed(Failure.PROTOCOL, what, settled(LAST_WORDS));
  }

  private Failed broken(IOException e) {
    return e instanceof Frame.Garbage
        ? garbage("it wrote " + e.getMessage())
        : failed(
            Failure.WORKER_DIED,
            e instanceof EOFException ? "it gave no answer" : String.valueOf(e.getMessage()),
            settled(options.launch().grace()));
  }

  private Failed failed(Failure failure, String what, Outcome how) {
    Ending reason = ending.get();
    if (reason == Ending.DEADLINE) {
      return new Failed(this, Failure.DEADLINE, "Its time was over, and it was ended.", how);
    }
    if (reason == Ending.FLOOD) {
      return new Failed(
          this,
          Failure.STDERR_FLOOD,
          "It wrote more than " + options.maxErrorBytes() + " bytes to stderr, and was ended.",
          how);
    }
    if (how instanceof Outcome.OutOfMemory) {
      return new Failed(this, Failure.OUT_OF_MEMORY, how.explanation(), how);
    }
    return new Failed(this, failure, "The worker failed: " + what + ". " + how.explanation(), how);
  }

  /** Waits for its end, or ends it when it takes too long, and then what is left of its tree. */
  private Outcome settled(Duration grace) {
    try {
      outcome.get(TimeUnit.NANOSECONDS.convert(grace), TimeUnit.NANOSECONDS);
    } catch (TimeoutException e) {
      return process.destroyTree(grace).join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (ExecutionException e) {
      throw new IllegalStateException("the outcome of pid " + pid() + " is lost", e.getCause());
    }
    return process.destroyTree(Duration.ZERO).join();
  }

  private void readErrors() {
    byte[] buffer = new byte[BUFFER];
    try (InputStream errors = process.getErrorStream()) {
      for (int count = errors.read(buffer); count >= 0; count = errors.read(buffer)) {
        long sum = errorBytes + count; // by this thread alone
        errorBytes = sum;
        if (sum - errorBytesBefore > options.maxErrorBytes()) {
          endFor(Ending.FLOOD);
        }
      }
    } catch (IOException e) {
      // closed: it has ended
    }
  }
}
