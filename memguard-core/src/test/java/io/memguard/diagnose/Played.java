package io.memguard.diagnose;

import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.limits.ResourceLimit;
import io.memguard.outcome.CgroupRecord;
import io.memguard.outcome.Evidence;
import io.memguard.outcome.Evidence.Ending;
import io.memguard.outcome.KernelLogRecord;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.Preemption;
import io.memguard.outcome.ResourceUsage;
import io.memguard.outcome.Signal;
import io.memguard.outcome.WaitStatus;
import io.memguard.outcome.WitnessRecord;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;

/** Evidence that is put together piece by piece. */
record Played(
    WaitStatus status,
    Ending ending,
    String limit,
    Optional<WitnessRecord> witness,
    Optional<CgroupRecord> cgroups,
    Optional<KernelLogRecord> log,
    Optional<Preemption> preemption,
    OptionalLong peak,
    String out,
    String err) {

  static Played exit(int code) {
    return new Played(
        new WaitStatus.Exit(code),
        Ending.ITS_OWN,
        "",
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        OptionalLong.empty(),
        "",
        "");
  }

  static Played killed(int signal) {
    return new Played(
        new WaitStatus.Kill(new Signal(signal), false),
        Ending.ITS_OWN,
        "",
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        Optional.empty(),
        OptionalLong.empty(),
        "",
        "");
  }

  /** A limit as {@link ResourceLimit#parse} reads it; it was in force. */
  Played under(String value) {
    return new Played(status, ending, value, witness, cgroups, log, preemption, peak, out, err);
  }

  Played endedBy(Ending value) {
    return new Played(status, value, limit, witness, cgroups, log, preemption, peak, out, err);
  }

  Played printing(String value) {
    return new Played(status, ending, limit, witness, cgroups, log, preemption, peak, value, err);
  }

  Played complaining(String value) {
    return new Played(status, ending, limit, witness, cgroups, log, preemption, peak, out, value);
  }

  Played withPeak(long bytes) {
    return new Played(
        status, ending, limit, witness, cgroups, log, preemption, OptionalLong.of(bytes), out, err);
  }

  /** A witness was loaded into a program, and saw so many refusals of one size. */
  Played watched(int refusals, long bytes) {
    boolean any = refusals > 0;
    WitnessRecord record =
        new WitnessRecord(
            1,
            refusals,
            any ? OptionalLong.of(bytes) : OptionalLong.empty(),
            any ? OptionalLong.of(bytes) : OptionalLong.empty(),
            any ? OptionalInt.of(7) : OptionalInt.empty(),
            OptionalLong.empty());
    return new Played(
        status, ending, limit, Optional.of(record), cgroups, log, preemption, peak, out, err);
  }

  /** A witness was handed to the child, and never loaded. */
  Played withAnIdleWitness() {
    WitnessRecord idle =
        new WitnessRecord(
            0,
            0,
            OptionalLong.empty(),
            OptionalLong.empty(),
            OptionalInt.empty(),
            OptionalLong.empty());
    return new Played(
        status, ending, limit, Optional.of(idle), cgroups, log, preemption, peak, out, err);
  }

  /** What the kernel counted. */
  Played counted(CgroupRecord value) {
    return new Played(
        status, ending, limit, witness, Optional.of(value), log, preemption, peak, out, err);
  }

  /** What the kernel's log said. */
  Played logged(KernelLogRecord value) {
    return new Played(
        status, ending, limit, witness, cgroups, Optional.of(value), preemption, peak, out, err);
  }

  /** memguard read this, and ended it. */
  Played preempted(Preemption value) {
    return new Played(
        status, Ending.PREEMPT, limit, witness, cgroups, log, Optional.of(value), peak, out, err);
  }

  Outcome diagnosed() {
    MemoryLimits limits =
        limit.isEmpty()
            ? MemoryLimits.none()
            : MemoryLimits.none().withRlimit(ResourceLimit.parse(limit));
    Protection protection = limit.startsWith("as") ? Protection.RLIMIT_AS : Protection.RLIMIT_DATA;
    return Diagnoser.diagnose(
        new Evidence(
            1,
            status,
            ending,
            Optional.of(Duration.ofSeconds(3)),
            Duration.ofSeconds(1),
            limits,
            limit.isEmpty() ? Map.of() : Map.of(protection, ProtectionState.active(limit)),
            Optional.of(new ResourceUsage(Duration.ZERO, Duration.ZERO, peak)),
            witness,
            cgroups,
            log,
            preemption,
            out,
            err,
            List.of()));
  }
}
