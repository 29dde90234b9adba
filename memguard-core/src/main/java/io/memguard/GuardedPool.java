package io.memguard;

import io.memguard.events.WhatNext;
import io.memguard.launch.LaunchException;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;
import io.memguard.platform.ProgramFile;
import io.memguard.platform.jfr.Recorder;
import io.memguard.platform.jfr.Recorder.PoolChange;
import io.memguard.recover.PoolListener;
import io.memguard.recover.TaskAttempt;
import io.memguard.recover.TaskQuarantinedException;
import io.memguard.recover.WorkerPool;
import io.memguard.recover.WorkerProcess;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A guard's side of a pool: starts its workers, has their ends told with what becomes of their
 * tasks, and records what changes. Safe to share between threads.
 */
final class GuardedPool implements WorkerPool.Launcher, PoolListener {
  private final String program;
  private final Recorder recorder;
  private final PoolListener listener;
  private final Starter starter;

  /** Workers whose end was not told yet. */
  private final Map<WorkerProcess, Announcer.Launch> launches = new ConcurrentHashMap<>();

  /** A worker, and who is to say how it ends. */
  record Started(GuardedProcess process, Announcer.Launch launch) {}

  /** Starts a worker. */
  @FunctionalInterface
  interface Starter {
    Started start(MemoryLimits limits) throws LaunchException;
  }

  /**
   * Makes it.
   *
   * @param listener is told what the pool tells, after it was recorded
   */
  GuardedPool(List<String> command, Recorder recorder, PoolListener listener, Starter starter) {
    this.program = command.isEmpty() ? "" : ProgramFile.nameOf(command.get(0));
    this.recorder = recorder;
    this.listener = listener;
    this.starter = starter;
  }

  @Override
  public WorkerProcess start(MemoryLimits limits) throws LaunchException {
    Started started = starter.start(limits);
    launches.put(started.process, started.launch);
    return started.process;
  }

  @Override
  public void ended(
      WorkerProcess worker,
      Outcome outcome,
      int attempt,
      WhatNext next,
      Optional<MemoryLimits> nextLimits) {
    Announcer.Launch launch = launches.remove(worker);
    if (launch != null) {
      launch.ended(outcome, attempt, next, nextLimits);
    }
  }

  @Override
  public void workerStarted(long pid, MemoryLimits limits) {
    note("worker started", pid, limits.memory(), OptionalLong.empty(), "");
    listener.workerStarted(pid, limits);
  }

  @Override
  public void workerEnded(long pid, String reason, Outcome outcome) {
    OptionalLong limit = outcome.evidence().limits().memory();
    note("worker ended", pid, limit, OptionalLong.empty(), reason);
    listener.workerEnded(pid, reason, outcome);
  }

  @Override
  public void taskRetried(long task, TaskAttempt attempt, MemoryLimits next) {
    String reason = reason(attempt);
    note("task retried", attempt.pid(), next.memory(), OptionalLong.of(task), reason);
    listener.taskRetried(task, attempt, next);
  }

  @Override
  public void taskQuarantined(long task, byte[] payload, TaskQuarantinedException quarantined) {
    List<TaskAttempt> attempts = quarantined.attempts();
    TaskAttempt last = attempts.isEmpty() ? null : attempts.get(attempts.size() - 1);
    note(
        "task quarantined",
        last == null ? 0 : last.pid(),
        last == null ? OptionalLong.empty() : last.limits().memory(),
        OptionalLong.of(task),
        last == null ? "no worker" : reason(last));
    listener.taskQuarantined(task, payload, quarantined);
  }

  private static String reason(TaskAttempt attempt) {
    return attempt.failure().name().toLowerCase(Locale.ROOT).replace('_', ' ');
  }

  private void note(String what, long pid, OptionalLong limit, OptionalLong task, String reason) {
    recorder.changed(new PoolChange(program, what, pid, limit, task, reason));
  }
}
