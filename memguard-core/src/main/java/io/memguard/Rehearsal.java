package io.memguard;

import io.memguard.diagnose.Catalogue;
import io.memguard.launch.LaunchException;
import io.memguard.launch.engine.LaunchPlan;
import io.memguard.outcome.Signal;
import io.memguard.platform.WitnessPage;
import io.memguard.platform.cgroup.CgroupSearch;
import io.memguard.platform.cgroup.Machine;
import io.memguard.platform.kernellog.OomVictims;
import java.lang.ProcessBuilder.Redirect;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Has a child of memguard's own ended for its memory, before a real one may have to be. To load the
 * classes for that takes a JVM hundreds of milliseconds where it shares one CPU with whoever fills
 * the container.
 *
 * <p>It owns the child, of which nobody is told, until that was reaped. The child holds a file in
 * memory, and ends by itself when this process does.
 */
final class Rehearsal {
  private static final Logger LOG = LoggerFactory.getLogger(Rehearsal.class);
  private static final long PATIENCE_NANOS = TimeUnit.MILLISECONDS.toNanos(500);
  private static final long POLL_NANOS = TimeUnit.MILLISECONDS.toNanos(1);
  private static final String WHOSE = "a child of memguard's own";

  private final Engine engine;
  private final Witnesses witnesses;
  private final Machine machine;
  private final CgroupSearch search;

  Rehearsal(Engine engine, Witnesses witnesses, Machine machine, CgroupSearch search) {
    this.engine = engine;
    this.witnesses = witnesses;
    this.machine = machine;
    this.search = search;
  }

  /**
   * Starts the child, and returns when it was reaped, or after some seconds at most.
   *
   * @param end ends it
   * @return false if none is to be had: where witnesses do not work, nobody would hold the memory
   */
  boolean with(Consumer<GuardedProcess> end) {
    try (OomCounters counters = new OomCounters(machine, search)) { // its end is nobody's evidence
      Witnesses.Preload preload = witnesses.take();
      if (preload.slot().isEmpty()) {
        return false;
      }
      GuardedProcess process = start(preload, counters);
      try {
        WitnessPage.Slot slot = preload.slot().orElseThrow();
        await(() -> slot.hasAnswered() || process.hasEnded());
        end.accept(process);
        await(() -> !process.isAlive() && process.isGone());
      } finally {
        process.destroyForcibly();
        await(() -> !process.isAlive());
      }
      return true;
    } catch (LaunchException e) {
      LOG.debug("There is no child to rehearse with", e);
      return false;
    }
  }

  private GuardedProcess start(Witnesses.Preload preload, OomCounters counters)
      throws LaunchException {
    Witnesses.Idle idle;
    long began = System.nanoTime();
    try {
      preload.slot().ifPresent(WitnessPage.Slot::askToHold);
      idle = Witnesses.launchIdle(engine, preload, Redirect.PIPE);
    } catch (LaunchException | RuntimeException | Error e) {
      preload.release();
      throw e;
    }
    try {
      return guarded(idle, preload, counters, began);
    } catch (RuntimeException | Error e) {
      idle.child().signal(Signal.KILL);
      throw e;
    }
  }

  private static GuardedProcess guarded(
      Witnesses.Idle idle, Witnesses.Preload preload, OomCounters counters, long began) {
    LaunchPlan plan = idle.plan();
    Postmortem postmortem =
        new Postmortem(
            plan,
            preload,
            Leaves.Lease.none(WHOSE),
            Map.of(),
            Optional.empty(),
            idle.child(),
            Postmortem.Files.of(plan),
            Postmortem.Kernel.before(counters, OomVictims.unknown()),
            Catalogue.with(List.of()),
            Map.of(),
            began);
    return new GuardedProcess(
        idle.child(),
        postmortem,
        plan.limits(),
        Admission.NOTHING,
        outcome -> {},
        process -> Optional.empty()); // nobody asks
  }

  private void await(BooleanSupplier done) {
    long began = System.nanoTime();
    while (!done.getAsBoolean() && System.nanoTime() - began < PATIENCE_NANOS) {
      LockSupport.parkNanos(this, POLL_NANOS);
    }
  }
}
