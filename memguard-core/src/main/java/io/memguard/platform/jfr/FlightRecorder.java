package io.memguard.platform.jfr;

import io.memguard.events.ChildEnd;
import io.memguard.events.ChildLaunch;
import io.memguard.events.FailedLaunch;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Cause;
import io.memguard.outcome.MemoryEvent;
import io.memguard.outcome.MemoryEvent.Affected;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.Preemption;
import io.memguard.outcome.Refusal;
import io.memguard.outcome.WaitStatus;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * Writes events of {@code jdk.jfr}. It cannot be loaded where that is missing.
 *
 * <p>One event of each type is kept to ask whether the type is enabled: that allocates nothing.
 */
final class FlightRecorder implements Recorder {
  /** What a recording calls not available; {@code jfr print} says N/A. */
  private static final long UNKNOWN = Long.MIN_VALUE;

  private static final FlightEvents.Launch LAUNCH = new FlightEvents.Launch();
  private static final FlightEvents.LaunchFailure FAILURE = new FlightEvents.LaunchFailure();
  private static final FlightEvents.End END = new FlightEvents.End();
  private static final FlightEvents.Refused REFUSED = new FlightEvents.Refused();
  private static final FlightEvents.Pressure PRESSURE = new FlightEvents.Pressure();
  private static final FlightEvents.Preempted PREEMPTED = new FlightEvents.Preempted();
  private static final FlightEvents.PoolChanged POOL = new FlightEvents.PoolChanged();

  @Override
  public Launch launching() {
    if (!LAUNCH.isEnabled()) {
      return Launch.NONE;
    }
    FlightEvents.Launch event = new FlightEvents.Launch();
    event.begin();
    return child -> started(event, child);
  }

  private static void started(FlightEvents.Launch event, ChildLaunch child) {
    event.end();
    if (event.shouldCommit()) {
      MemoryLimits limits = child.limits();
      event.pid = child.pid();
      event.name = child.name();
      event.program = child.program();
      event.limit = limits.memory().orElse(UNKNOWN);
      event.treeLimit = limits.treeMemory().orElse(UNKNOWN);
      event.commit();
    }
  }

  @Override
  public void failed(FailedLaunch failure) {
    if (FAILURE.isEnabled()) {
      FlightEvents.LaunchFailure event = new FlightEvents.LaunchFailure();
      event.name = failure.name();
      event.program = failure.program();
      event.limit = failure.limits().memory().orElse(UNKNOWN);
      event.step = failure.step();
      event.errno = failure.errno();
      event.message = failure.message();
      event.next = failure.next().label();
      event.commit();
    }
  }

  @Override
  public boolean recordsEnds() {
    return END.isEnabled();
  }

  @Override
  public void ended(ChildEnd end) {
    if (END.isEnabled()) {
      Outcome outcome = end.outcome();
      FlightEvents.End event = new FlightEvents.End();
      event.pid = outcome.evidence().pid();
      event.name = end.name();
      event.program = outcome.evidence().program();
      event.outcome = outcome.label();
      event.exitCode =
          outcome.evidence().status() instanceof WaitStatus.Exit exit ? exit.code() : -1;
      event.signal = signal(outcome);
      event.cause = end.cause().map(Cause::label).orElse(null);
      event.confidence =
          outcome instanceof Outcome.OutOfMemory memory ? memory.confidence().label() : null;
      event.limit = end.limitBytes().orElse(UNKNOWN);
      event.peak = end.peakBytes().orElse(UNKNOWN);
      event.refused = end.refusedBytes().orElse(UNKNOWN);
      event.lifetime = outcome.evidence().elapsed().toNanos();
      event.attempt = end.attempt();
      event.next = end.next().label();
      event.nextLimit = end.nextLimitBytes().orElse(UNKNOWN);
      event.explanation = outcome.explanation();
      event.commit();
    }
  }

  private static String signal(Outcome outcome) {
    return outcome.evidence().status() instanceof WaitStatus.Kill kill
        ? kill.signal().toString()
        : "";
  }

  @Override
  public boolean recordsMemory() {
    return REFUSED.isEnabled() || PRESSURE.isEnabled() || PREEMPTED.isEnabled();
  }

  @Override
  public void memory(MemoryEvent event) {
    switch (event.kind()) {
      case REFUSED -> refused(event);
      case PREEMPTED -> {} // its reading says more
      default -> pressure(event);
    }
  }

  private static void refused(MemoryEvent told) {
    if (REFUSED.isEnabled()) {
      FlightEvents.Refused event = new FlightEvents.Refused();
      Optional<Affected> process = told.processes().stream().findFirst();
      Optional<Refusal> last = process.flatMap(Affected::refusal);
      event.child = told.child().orElse(UNKNOWN);
      event.pid = process.map(Affected::pid).orElse(UNKNOWN);
      event.process = process.map(Affected::name).orElse("");
      event.call = last.map(refusal -> refusal.kind().label()).orElse("");
      event.refused = last.map(Refusal::bytes).orElse(UNKNOWN);
      event.largest = told.bytes().orElse(UNKNOWN);
      event.times = told.times();
      event.commit();
    }
  }

  private static void pressure(MemoryEvent told) {
    if (PRESSURE.isEnabled()) {
      FlightEvents.Pressure event = new FlightEvents.Pressure();
      event.child = told.child().orElse(UNKNOWN);
      event.kind = told.kind().label();
      event.level = told.level().label();
      event.times = told.times();
      event.bytes = told.bytes().orElse(UNKNOWN);
      event.processes = names(told);
      event.commit();
    }
  }

  private static String names(MemoryEvent told) {
    StringBuilder names = new StringBuilder();
    for (Affected one : told.processes()) {
      names.append(names.isEmpty() ? "" : ", ").append(one.name()).append(' ').append(one.pid());
    }
    return names.toString();
  }

  @Override
  public void preempted(long child, Preemption reading) {
    if (PREEMPTED.isEnabled()) {
      FlightEvents.Preempted event = new FlightEvents.Preempted();
      event.child = child;
      event.reason = reading.limit().label();
      event.limit = reading.limitBytes();
      event.threshold = reading.thresholdBytes();
      event.used = reading.bytes();
      event.held = reading.treeBytes();
      event.processes = reading.processes();
      event.source = reading.source().label();
      event.commit();
    }
  }

  @Override
  public void changed(PoolChange change) {
    if (POOL.isEnabled()) {
      FlightEvents.PoolChanged event = new FlightEvents.PoolChanged();
      event.program = change.program();
      event.change = change.what();
      event.pid = change.pid();
      event.limit = orUnknown(change.limitBytes());
      event.task = orUnknown(change.task());
      event.reason = change.reason();
      event.commit();
    }
  }

  private static long orUnknown(OptionalLong value) {
    return value.orElse(UNKNOWN);
  }
}
