package io.memguard.recover;

import io.memguard.launch.LaunchException;
import io.memguard.limits.LaunchOptions.Budget;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;
import io.memguard.recover.TaskAttempt.Failure;
import java.time.Duration;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * One place in a pool: a thread, and the worker that it has at the moment, which nobody else talks
 * to. It takes a task when it is idle, and has a worker of the right size for it.
 */
final class Slot implements TaskLine.Holder {
  private final WorkerPool pool;
  private final TaskLine line;
  private final PoolOptions options;
  private final BackOff backOff = new BackOff();

  /** Written by the slot's thread alone; others look at it. */
  private volatile @Nullable Worker worker;

  private volatile boolean busy;

  /** The slot's thread while it starts a worker. */
  private @Nullable Thread launching;

  Slot(WorkerPool pool, TaskLine line, PoolOptions options) {
    this.pool = pool;
    this.line = line;
    this.options = options;
  }

  /** Works until the pool has ended. */
  void run() {
    try {
      while (true) {
        TaskLine.Order order = line.next(this);
        if (order instanceof TaskLine.Order.Work work) {
          workOn(work.task());
        } else if (order == TaskLine.Order.Idle.PREPARE) {
          prepare();
        } else {
          end(order == TaskLine.Order.Idle.YIELD ? "resized" : "closed");
          if (order == TaskLine.Order.Idle.STOP) {
            return;
          }
        }
      }
    } finally {
      end("failed"); // no effect, unless what was thrown is about to end this thread
    }
  }

  @Override
  public long size() {
    Worker has = worker;
    return has == null || has.hasEnded() ? -1 : Sizes.of(has.limits());
  }

  @Override
  public boolean othersWaitForMemory() {
    return options
        .launch()
        .budget()
        .map(Budget::source)
        .map(source -> !(source instanceof MemoryBudget budget) || budget.waiting() > 0)
        .orElse(false);
  }

  /** Returns the worker it has, and whether that has a task. */
  Optional<WorkerPool.WorkerState> state() {
    Worker has = worker;
    return has == null || has.hasEnded()
        ? Optional.empty()
        : Optional.of(new WorkerPool.WorkerState(has.pid(), has.limits(), has.tasks(), busy));
  }

  private void workOn(Task task) {
    try {
      if (task.result.isDone()) { // cancelled while it waited
        pool.finished(task);
        return;
      }
      Worker has = readyFor(task);
      if (has != null) {
        ask(task, has);
      }
    } catch (RuntimeException | Error e) { // nobody else knows of the task now
      pool.lost(task, e);
      throw e;
    }
    if (worker != null && worker.isUsedUp()) {
      end("recycled");
    }
  }

  private void ask(Task task, Worker has) {
    long began = System.nanoTime();
    busy = true;
    task.at(has);
    try {
      Frame answer = has.ask(task.number, task.payload, task.deadline);
      backOff.succeeded();
      pool.answered(task, answer);
    } catch (Worker.Failed e) {
      gone(has, "failed", e.outcome());
      if (e.failure() == Failure.OUT_OF_MEMORY || e.failure() == Failure.DEADLINE) {
        backOff.succeeded(); // the task's doing, not the worker's
      } else if (!has.wasCancelled()) {
        backOff.failed();
      }
      Duration took = Duration.ofNanos(System.nanoTime() - began);
      pool.failed(task, attempt(task, e, e.failure(), took), has);
    } finally {
      task.at(null);
      busy = false;
    }
  }

  private static TaskAttempt attempt(Task task, Worker.Failed how, Failure failure, Duration took) {
    return new TaskAttempt(
        task.attemptsMade() + 1,
        how.worker().pid(),
        how.worker().limits(),
        failure,
        how.explanation(),
        how.outcome(),
        took);
  }

  /** Returns a worker that is ready for a task, or null when the task was seen to otherwise. */
  private @Nullable Worker readyFor(Task task) {
    boolean larger = isLarger(task.limits());
    try {
      Worker ready = ready(task.limits());
      if (ready == null) {
        pool.again(task);
      }
      return ready;
    } catch (LaunchException e) {
      if (larger) {
        pool.hasNoWorker(task, e);
      } else {
        backOff.failed();
        pool.again(task); // it is not to blame
        pool.cannotStart(e);
      }
    } catch (Worker.Failed e) {
      if (larger) { // what only this task needs is this task's failure
        boolean memory = e.failure() == Failure.OUT_OF_MEMORY;
        Failure failure = memory ? Failure.OUT_OF_MEMORY : Failure.WORKER_DIED;
        pool.failed(task, attempt(task, e, failure, Duration.ZERO), e.worker());
      } else {
        pool.settled(e.worker(), e.outcome(), true);
        pool.again(task);
        pool.neverReady(e);
      }
    }
    return null;
  }

  /** Has a worker of the first size ready for the next task. */
  private void prepare() {
    try {
      ready(pool.first());
    } catch (LaunchException e) {
      backOff.failed();
      pool.cannotStart(e);
    } catch (Worker.Failed e) {
      pool.settled(e.worker(), e.outcome(), true);
      pool.neverReady(e);
    }
  }

  private boolean isLarger(MemoryLimits limits) {
    return Sizes.of(limits) > Sizes.of(pool.first());
  }

  /** Returns a worker with these limits that is ready, or null if none is needed any more. */
  private @Nullable Worker ready(MemoryLimits limits) throws LaunchException, Worker.Failed {
    Worker has = worker;
    if (has != null) {
      if (has.isWell()) {
        if (has.limits().equals(limits)) {
          return has;
        }
        end("resized");
      } else {
        if (!has.wasCancelled()) {
          backOff.failed();
        }
        Outcome outcome = has.endNow();
        gone(has, "failed", outcome);
        pool.settled(has, outcome, true);
      }
    }
    line.pause(backOff.nanos());
    try {
      return launching(true) ? start(limits) : null;
    } catch (Worker.Failed e) {
      gone(e.worker(), "never ready", e.outcome());
      backOff.failed();
      throw e;
    }
  }

  private Worker start(MemoryLimits limits) throws LaunchException, Worker.Failed {
    try {
      Worker starting = launch(limits);
      worker = starting;
      starting.whenEnded(line::wake);
      if (line.isOver()) { // while it was launched: who saw to that has not seen it
        starting.cancel();
      }
      starting.awaitReady();
      pool.ready(starting);
      return starting;
    } finally {
      launching(false);
    }
  }

  private Worker launch(MemoryLimits limits) throws LaunchException {
    boolean larger = isLarger(limits);
    if (larger) {
      line.wantsMemory(true);
    }
    try {
      return Worker.start(pool.launcher(), limits, options);
    } finally {
      if (larger) {
        line.wantsMemory(false); // it has it, or has given up
      }
    }
  }

  /** Notes that this thread may be interrupted from now on, or not any more; not if all is over. */
  private synchronized boolean launching(boolean value) {
    launching = value && !line.isOver() ? Thread.currentThread() : null;
    Thread.interrupted(); // what was meant for the launch, or came from a stranger
    return launching != null;
  }

  /** Ends the start of a worker: none is needed any more. */
  synchronized void abandonStart() {
    if (launching != null) {
      launching.interrupt(); // it may wait for memory
      endNow();
    }
  }

  /** Ends the worker, if there is one. */
  private void end(String reason) {
    Worker has = worker;
    if (has != null) {
      Outcome outcome = line.isStopped() || !has.isWell() ? has.endNow() : has.end();
      gone(has, reason, outcome);
      pool.settled(has, outcome, !reason.equals("closed"));
    }
  }

  /** Ends the worker at once, on any thread; its own thread sees the end. */
  void endNow() {
    Worker has = worker;
    if (has != null) {
      has.cancel();
    }
  }

  private void gone(Worker had, String reason, Outcome outcome) {
    worker = null;
    pool.ended(had, reason, outcome);
  }
}
