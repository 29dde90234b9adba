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
import java.util.function.Consumer;
import java.util.stream.Stream;

/** Evidence that is put together piece by piece. */
final class Played {
  static final int CHILD = 1;
  private static final Duration SHORT = Duration.ofSeconds(1);

  private final WaitStatus status;
  private Ending ending = Ending.ITS_OWN;
  private String limit = "";
  private Optional<WitnessRecord> witness = Optional.empty();
  private Optional<CgroupRecord> cgroups = Optional.empty();
  private Optional<KernelLogRecord> log = Optional.empty();
  private Optional<Preemption> preemption = Optional.empty();
  private OptionalLong peak = OptionalLong.empty();
  private String out = "";
  private String err = "";
  private String program = "";
  private Duration elapsed = SHORT;
  private Optional<MemorySample> sample = Optional.empty();
  private Set<Evidence.Tail> shared = Set.of();

  private Played(WaitStatus status) {
    this.status = status;
  }

  /** A copy, in which this is different. */
  private Played but(Consumer<Played> change) {
    Played copy = new Played(status);
    copy.ending = ending;
    copy.limit = limit;
    copy.witness = witness;
    copy.cgroups = cgroups;
    copy.log = log;
    copy.preemption = preemption;
    copy.peak = peak;
    copy.out = out;
    copy.err = err;
    copy.program = program;
    copy.elapsed = elapsed;
    copy.sample = sample;
    copy.shared = shared;
    change.accept(copy);
    return copy;
  }

  static Played exit(int code) {
    return new Played(new WaitStatus.Exit(code));
  }

  static Played killed(int signal) {
    return new Played(new WaitStatus.Kill(new Signal(signal), false));
  }

  /** It lived for so long. */
  Played after(Duration value) {
    return but(it -> it.elapsed = value);
  }

  /** A limit as {@link ResourceLimit#parse} reads it; it was in force. */
  Played under(String value) {
    return but(it -> it.limit = value);
  }

  /** The file name of what was launched. */
  Played running(String value) {
    return but(it -> it.program = value);
  }

  Played endedBy(Ending value) {
    return but(it -> it.ending = value);
  }

  Played printing(String value) {
    return but(it -> it.out = value);
  }

  Played complaining(String value) {
    return but(it -> it.err = value);
  }

  Played withPeak(long bytes) {
    return but(it -> it.peak = OptionalLong.of(bytes));
  }

  /** The child itself had so much of what RLIMIT_DATA and RLIMIT_AS count when it was looked at. */
  Played sampled(long data, long address) {
    return sampled(
        new MemorySample(CHILD, "worker", data, address, 1 << 20, Duration.ofMillis(15)));
  }

  Played sampled(MemorySample value) {
    return but(it -> it.sample = Optional.of(value));
  }

  /** Others may have written in these as well. */
  Played sharing(Evidence.Tail... tails) {
    return but(it -> it.shared = Set.of(tails));
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
    return but(it -> it.witness = Optional.of(record));
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
    return but(it -> it.witness = Optional.empty());
  }

  /** What the kernel counted. */
  Played counted(CgroupRecord value) {
    return but(it -> it.cgroups = Optional.of(value));
  }

  /** What the kernel's log said. */
  Played logged(KernelLogRecord value) {
    return but(it -> it.log = Optional.of(value));
  }

  /** memguard read this, and ended it. */
  Played preempted(Preemption value) {
    return but(
        it -> {
          it.ending = Ending.PREEMPT;
          it.preemption = Optional.of(value);
        });
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

  WaitStatus status() {
    return status;
  }

  String out() {
    return out;
  }

  String err() {
    return err;
  }

  Optional<WitnessRecord> witness() {
    return witness;
  }
}
