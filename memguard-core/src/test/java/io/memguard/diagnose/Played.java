package io.memguard.diagnose;

import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.limits.ResourceLimit;
import io.memguard.outcome.CgroupRecord;
import io.memguard.outcome.Evidence;
import io.memguard.outcome.Evidence.Ending;
import io.memguard.outcome.KernelLogRecord;
import io.memguard.outcome.MemorySample;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.Preemption;
import io.memguard.outcome.Refusal;
import io.memguard.outcome.ResourceUsage;
import io.memguard.outcome.Signal;
import io.memguard.outcome.WaitStatus;
import io.memguard.outcome.WitnessRecord;
import io.memguard.outcome.WitnessedProcess;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.stream.Stream;

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
    String err,
    String program,
    Duration elapsed,
    Optional<MemorySample> sample,
    Set<Evidence.Tail> shared) {
  private static final Duration SHORT = Duration.ofSeconds(1);
  static final int CHILD = 1;

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
        "",
        "",
        SHORT,
        Optional.empty(),
        Set.of());
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
        "",
        "",
        SHORT,
        Optional.empty(),
        Set.of());
  }

  /** It lived for so long. */
  Played after(Duration value) {
    return new Played(
        status,
        ending,
        limit,
        witness,
        cgroups,
        log,
        preemption,
        peak,
        out,
        err,
        program,
        value,
        sample,
        shared);
  }

  /** A limit as {@link ResourceLimit#parse} reads it; it was in force. */
  Played under(String value) {
    return new Played(
        status,
        ending,
        value,
        witness,
        cgroups,
        log,
        preemption,
        peak,
        out,
        err,
        program,
        elapsed,
        sample,
        shared);
  }

  /** The file name of what was launched. */
  Played running(String value) {
    return new Played(
        status,
        ending,
        limit,
        witness,
        cgroups,
        log,
        preemption,
        peak,
        out,
        err,
        value,
        elapsed,
        sample,
        shared);
  }

  Played endedBy(Ending value) {
    return new Played(
        status,
        value,
        limit,
        witness,
        cgroups,
        log,
        preemption,
        peak,
        out,
        err,
        program,
        elapsed,
        sample,
        shared);
  }

  Played printing(String value) {
    return new Played(
        status,
        ending,
        limit,
        witness,
        cgroups,
        log,
        preemption,
        peak,
        value,
        err,
        program,
        elapsed,
        sample,
        shared);
  }

  Played complaining(String value) {
    return new Played(
        status,
        ending,
        limit,
        witness,
        cgroups,
        log,
        preemption,
        peak,
        out,
        value,
        program,
        elapsed,
        sample,
        shared);
  }

  Played withPeak(long bytes) {
    return new Played(
        status,
        ending,
        limit,
        witness,
        cgroups,
        log,
        preemption,
        OptionalLong.of(bytes),
        out,
        err,
        program,
        elapsed,
        sample,
        shared);
  }

  /** The child itself had so much of what RLIMIT_DATA and RLIMIT_AS count when it was looked at. */
  Played sampled(long data, long address) {
    return sampled(
        new MemorySample(CHILD, "worker", data, address, 1 << 20, Duration.ofMillis(15)));
  }

  Played sampled(MemorySample value) {
    return new Played(
        status,
        ending,
        limit,
        witness,
        cgroups,
        log,
        preemption,
        peak,
        out,
        err,
        program,
        elapsed,
        Optional.of(value),
        shared);
  }

  /** Others may have written in these as well. */
  Played sharing(Evidence.Tail... tails) {
    return new Played(
        status,
        ending,
        limit,
        witness,
        cgroups,
        log,
        preemption,
        peak,
        out,
        err,
        program,
        elapsed,
        sample,
        Set.of(tails));
  }

  /** A witness was loaded into the program, and saw so many refusals of one size. */
  Played watched(int refusals, long bytes) {
    return refusals > 0
        ? watched(process(program, CHILD, refusals, refusal(Refusal.Kind.MALLOC, 12, bytes)))
        : watched();
  }

  /** A witness was loaded into these processes. */
  Played watched(WitnessedProcess... processes) {
    return watched(
        new WitnessRecord(
            Math.max(1, processes.length),
            Stream.of(processes).mapToLong(WitnessedProcess::refusals).sum(),
            Stream.of(processes).flatMapToLong(one -> one.largestBytes().stream()).max(),
            0,
            List.of(processes)));
  }

  /** A witness noted this. */
  Played watched(WitnessRecord record) {
    return new Played(
        status,
        ending,
        limit,
        Optional.of(record),
        cgroups,
        log,
        preemption,
        peak,
        out,
        err,
        program,
        elapsed,
        sample,
        shared);
  }

  /** A process that was refused memory so many times, and this the last time. */
  static WitnessedProcess process(String name, int pid, int refusals, Refusal last) {
    return new WitnessedProcess(
        pid,
        name,
        1,
        refusals,
        last.kind() == Refusal.Kind.THREAD ? 1 : 0,
        0,
        refusals > 0 ? OptionalLong.of(last.bytes()) : OptionalLong.empty(),
        Optional.of(last),
        OptionalLong.empty());
  }

  /** Something that was refused; nothing is known of what the process had. */
  static Refusal refusal(Refusal.Kind kind, int errno, long bytes) {
    return new Refusal(
        kind,
        errno,
        bytes,
        CHILD,
        Duration.ofMillis(900),
        OptionalLong.empty(),
        OptionalLong.empty(),
        OptionalLong.empty(),
        OptionalLong.empty(),
        OptionalLong.empty());
  }

  /** A witness was handed to the child, and never loaded. */
  Played withAnIdleWitness() {
    return watched(WitnessRecord.NONE);
  }

  /** Nobody watched. */
  Played unwatched() {
    return new Played(
        status,
        ending,
        limit,
        Optional.empty(),
        cgroups,
        log,
        preemption,
        peak,
        out,
        err,
        program,
        elapsed,
        sample,
        shared);
  }

  /** What the kernel counted. */
  Played counted(CgroupRecord value) {
    return new Played(
        status,
        ending,
        limit,
        witness,
        Optional.of(value),
        log,
        preemption,
        peak,
        out,
        err,
        program,
        elapsed,
        sample,
        shared);
  }

  /** What the kernel's log said. */
  Played logged(KernelLogRecord value) {
    return new Played(
        status,
        ending,
        limit,
        witness,
        cgroups,
        Optional.of(value),
        preemption,
        peak,
        out,
        err,
        program,
        elapsed,
        sample,
        shared);
  }

  /** memguard read this, and ended it. */
  Played preempted(Preemption value) {
    return new Played(
        status,
        Ending.PREEMPT,
        limit,
        witness,
        cgroups,
        log,
        Optional.of(value),
        peak,
        out,
        err,
        program,
        elapsed,
        sample,
        shared);
  }

  Outcome diagnosed() {
    return diagnosed(MemoryLimits.none());
  }

  /** The same for one that was given these besides. */
  Outcome diagnosed(MemoryLimits others) {
    return Diagnoser.diagnose(evidence(others), Catalogue.with(List.of()));
  }

  Evidence evidence(MemoryLimits others) {
    MemoryLimits limits = limit.isEmpty() ? others : others.withRlimit(ResourceLimit.parse(limit));
    Protection protection = limit.startsWith("as") ? Protection.RLIMIT_AS : Protection.RLIMIT_DATA;
    return new Evidence(
        CHILD,
        program,
        Optional.empty(),
        status,
        ending,
        Optional.of(Duration.ofSeconds(3)),
        elapsed,
        limits,
        limit.isEmpty() ? Map.of() : Map.of(protection, ProtectionState.active(limit)),
        Optional.of(new ResourceUsage(Duration.ZERO, Duration.ZERO, peak)),
        witness,
        sample,
        cgroups,
        log,
        preemption,
        out,
        err,
        shared,
        Map.of(),
        List.of());
  }
}
