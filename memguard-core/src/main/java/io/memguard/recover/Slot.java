package io.memguard.recover;

import io.memguard.launch.LaunchException;
import io.memguard.limits.LaunchOptions.Budget;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;
import io.memguard.recover.TaskAttempt.Failure;
import java.nio.charset.StandardCharsets;
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
    if (task.result.isDone()) { // cancelled while it waited
      line.finished();
      return;
    }
    long began = System.nanoTime();
    Worker has = null;
    try {
      has = ready(task.limits());
      if (has == null) {
        pool.again(task); // it is not to blame
        return;
      }
      busy = true;
      task.at(has);
      Frame answer = has.ask(task.number, task.payload);
      backOff.succeeded();
      pool.answered(task, answer);
    } catch (LaunchException e) {
      pool.hasNoWorker(task, e);
    } catch (Worker.Failed e) {
      gone(e.worker(), has == null ? "never ready" : "failed", e.outcome());
      failed(task, e, Duration.ofNanos(System.nanoTime() - began));
    } finally {
      task.at(null);
      busy = false;
    }
    if (worker != null && worker.isUsedUp()) {
      end("recycled");
    }
  }

  private void failed(Task task, Worker.Failed how, Duration took) {
    if (how.failure() == Failure.OUT_OF_MEMORY || how.failure() == Failure.DEADLINE) {
      backOff.succeeded(); // the task's doing, not the worker's
    } else {
      backOff.failed();
    }
    pool.failed(
        task,
        new TaskAttempt(
            task.attemptsMade() + 1,
            how.worker().pid(),
            how.worker().limits(),
            how.failure(),
            how.explanation(),
            how.outcome(),
            took));
  }

  /** Has a worker of the first size ready for the next task. */
  private void prepare() {
    try {
      ready(pool.first());
    } catch (LaunchException e) {
      backOff.failed();
      pool.cannotStart(e);
    } catch (Worker.Failed e) {
      gone(e.worker(), "never ready", e.outcome());
      backOff.failed();
      pool.neverReady(e);
    }
  }

  /** Returns a worker with these limits that is ready, or null if the pool was stopped. */
  private @Nullable Worker ready(MemoryLimits limits) throws LaunchException, Worker.Failed {
    Worker has = worker;
    if (has != null) {
      boolean isWell = has.isWell();
      if (isWell && has.limits().equals(limits)) {
        return has;
      }
      if (!isWell) {
        backOff.failed();
      }
      end(isWell ? "resized" : "failed");
    }
    line.pause(backOff.nanos());
    boolean larger = Sizes.of(limits) > Sizes.of(pool.first());
    if (larger) {
      line.wantsMemory(true);
    }
    try {
      return line.isStopped() ? null : start(limits);
    } finally {
      if (larger) {
        line.wantsMemory(false);
      }
    }
  }

  private Worker start(MemoryLimits limits) throws LaunchException, Worker.Failed {
    Worker starting = Worker.start(pool.launcher(), limits, options);
    worker = starting;
    starting.whenEnded(line::wake);
    if (line.isStopped()) { // while it was launched: who stopped the pool has not seen it
      starting.cancel();
    }
    starting.awaitReady();
    pool.ready(starting);
    return starting;
  }

  /** Ends the worker, if there is one. */
  private void end(String reason) {
    Worker has = worker;
    if (has != null) {
      gone(has, reason, line.isStopped() ? has.endNow() : has.end());
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

  /** Returns a worker's words. */
  static String text(byte[] payload) {
    return new String(payload, StandardCharsets.UTF_8);
  }
}
