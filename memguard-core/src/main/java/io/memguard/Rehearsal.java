package io.memguard;

import io.memguard.launch.LaunchException;
import io.memguard.launch.engine.LaunchPlan;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.platform.WitnessPage;
import io.memguard.platform.kernellog.OomVictims;
import java.lang.ProcessBuilder.Redirect;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Starts a child of memguard's own, to be found, measured, and ended for its memory before a real
 * one may have to be. To load the classes for that takes a JVM hundreds of milliseconds where it
 * shares one CPU with whoever fills the container.
 */
final class Rehearsal {
  private static final Logger LOG = LoggerFactory.getLogger(Rehearsal.class);
  private static final long PATIENCE_NANOS = TimeUnit.MILLISECONDS.toNanos(500);
  private static final long POLL_NANOS = TimeUnit.MILLISECONDS.toNanos(1);

  private final Engine engine;
  private final Witnesses witnesses;
  private final OomCounters counters;

  Rehearsal(Engine engine, Witnesses witnesses, OomCounters counters) {
    this.engine = engine;
    this.witnesses = witnesses;
    this.counters = counters;
  }

  /**
   * Starts the child. Nobody is told of it, and it ends by itself when this process does.
   *
   * @return the child, which holds some memory; or empty where witnesses do not work: it is one who
   *     holds it
   */
  Optional<GuardedProcess> victim() {
    if (!witnesses.state().active()) {
      return Optional.empty();
    }
    long began = System.nanoTime();
    try {
      MemoryLimits limits = MemoryLimits.none().with(Protection.WITNESS, Requirement.REQUIRE);
      Witnesses.Preload preload = witnesses.arm(limits);
      WitnessPage.Slot slot = preload.slot().orElseThrow();
      slot.askToHold();
      Witnesses.Idle idle;
      try {
        idle = Witnesses.launchIdle(engine, preload, Redirect.PIPE);
      } catch (LaunchException | RuntimeException | Error e) {
        preload.release();
        throw e;
      }
      while (!slot.hasAnswered() && System.nanoTime() - began < PATIENCE_NANOS) {
        LockSupport.parkNanos(this, POLL_NANOS);
      }
      return Optional.of(guarded(idle.plan(), idle.child(), preload, began));
    } catch (LaunchException e) {
      LOG.debug("No child can be had to rehearse with", e);
      return Optional.empty();
    }
  }

  private GuardedProcess guarded(
      LaunchPlan plan, Child child, Witnesses.Preload preload, long began) {
    Postmortem postmortem =
        new Postmortem(
            plan,
            preload,
            Leaves.Lease.none("a child of memguard's own"),
            Map.of(),
            Optional.empty(),
            child,
            Postmortem.Files.of(plan),
            Postmortem.Kernel.before(counters, OomVictims.unknown()),
            began);
    return new GuardedProcess(child, postmortem, plan.limits(), Admission.NOTHING);
  }
}
