package io.memguard;

import io.memguard.diagnose.Catalogue;
import io.memguard.diagnose.Diagnoser;
import io.memguard.launch.engine.LaunchPlan;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.limits.Requirement;
import io.memguard.outcome.CgroupRecord;
import io.memguard.outcome.Evidence;
import io.memguard.outcome.Evidence.Ending;
import io.memguard.outcome.KernelLogRecord;
import io.memguard.outcome.MemorySample;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.Preemption;
import io.memguard.outcome.Signal;
import io.memguard.outcome.WaitStatus;
import io.memguard.outcome.WitnessRecord;
import io.memguard.platform.Elsewhere;
import io.memguard.platform.FileTail;
import io.memguard.platform.ProgramFile;
import io.memguard.platform.cgroup.Leaf;
import io.memguard.platform.kernellog.OomKillLog;
import io.memguard.platform.kernellog.OomVictims;
import java.lang.ProcessBuilder.Redirect;
import java.time.Duration;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Gathers the evidence of one child's death, once, and has it judged. */
final class Postmortem {
  private final LaunchPlan plan;
  private final Witnesses.Preload preload;
  private final Child child;
  private final Leaves.Lease lease;
  private final Map<Protection, ProtectionState> inForce;
  private final Optional<MemoryEvents.Listening> listening;
  private final Kernel kernel;
  private final Catalogue catalogue;
  private final Map<String, String> tuning;
  private final Files files;
  private final long began;
  private Ending ending = Ending.ITS_OWN;
  private Optional<Preemption> preemption = Optional.empty();
  private boolean toldOfLeftovers;
  private volatile @Nullable Sampled sampled;

  private record Sampled(MemorySample sample, long at) {
    MemorySample asOf(long now) {
      return sample.withAge(Duration.ofNanos(Math.max(0, now - at)));
    }
  }

  /**
   * Where the child's output goes if it goes to files; noted before it is started.
   *
   * @param shared in which of them others may write as well
   */
  record Files(Optional<FileTail> output, Optional<FileTail> error, Set<Evidence.Tail> shared) {
    private static final int STDOUT = 1;
    private static final int STDERR = 2;

    static Files of(LaunchPlan plan) {
      boolean one = plan.redirectErrorStream();
      Redirect errorTo = one ? plan.stdout() : plan.stderr();
      Optional<FileTail> output = tail(plan.stdout(), STDOUT, Child.OUTPUT_TAIL);
      Set<Evidence.Tail> shared = EnumSet.noneOf(Evidence.Tail.class);
      if (output.isPresent() && isShared(plan.stdout())) {
        shared.add(Evidence.Tail.OUTPUT);
      }
      Optional<FileTail> error = tail(errorTo, one ? STDOUT : STDERR, Child.ERROR_TAIL);
      if (error.isPresent() && isShared(errorTo)) {
        shared.add(Evidence.Tail.ERROR);
      }
      return new Files(output, error, shared);
    }

    private static boolean isShared(Redirect redirect) {
      return redirect.type() == Redirect.Type.INHERIT || redirect.type() == Redirect.Type.APPEND;
    }

    private static Optional<FileTail> tail(Redirect redirect, int fd, int length) {
      return redirect.type() == Redirect.Type.INHERIT
          ? FileTail.ofInherited(fd, length)
          : Optional.ofNullable(redirect.file())
              .flatMap(file -> FileTail.of(file, redirect.type() == Redirect.Type.APPEND, length));
    }
  }

  /** What the kernel's memory counters said before it was started, and how far its log was read. */
  record Kernel(
      OomCounters counters,
      OomCounters.Baseline baseline,
      OomVictims victims,
      OomKillLog.Mark mark) {
    static Kernel before(OomCounters counters, OomVictims victims) {
      return new Kernel(counters, counters.now(), victims, victims.mark());
    }

    private CgroupRecord look(Leaves.Lease lease, WaitStatus status) {
      return counters.since(baseline, lease.leaf(), isKill(status));
    }

    /** Tells whether the log has to be asked: it is not, where nobody was killed. */
    private boolean mayBeInTheLog(WaitStatus status, CgroupRecord cgroups) {
      return victims.known() && (isKill(status) || cgroups.killedInLeaf());
    }

    private static boolean isKill(WaitStatus status) {
      return status instanceof WaitStatus.Kill kill && kill.signal().equals(Signal.KILL);
    }
  }

  Postmortem(
      LaunchPlan plan,
      Witnesses.Preload preload,
      Leaves.Lease lease,
      Map<Protection, ProtectionState> inForce,
      Optional<MemoryEvents.Listening> listening,
      Child child,
      Files files,
      Kernel kernel,
      Catalogue catalogue,
      Map<String, String> tuning,
      long began) {
    this.plan = plan;
    this.preload = preload;
    this.lease = lease;
    this.inForce = inForce;
    this.listening = listening;
    this.child = child;
    this.files = files;
    this.kernel = kernel;
    this.catalogue = catalogue;
    this.tuning = tuning;
    this.began = began;
  }

  /** Notes that memguard is ending the child; the first reason counts. */
  synchronized void endedBy(Ending reason) {
    if (ending == Ending.ITS_OWN) {
      ending = reason;
    }
  }

  /** Notes that memguard is ending the child for its memory, and why; the first reason counts. */
  synchronized void endedBy(Preemption reading) {
    if (ending == Ending.ITS_OWN) {
      ending = Ending.PREEMPT;
      preemption = Optional.of(reading);
      tell(reading);
    }
  }

  /** Tells that what the child left behind is ended for its memory, once. */
  synchronized void leftTooMuch(Preemption reading) {
    if (ending != Ending.PREEMPT && !toldOfLeftovers) {
      toldOfLeftovers = true;
      tell(reading);
    }
  }

  /** Notes what the child has of its memory; the latest counts. */
  void sampled(MemorySample sample) {
    sampled = new Sampled(sample, System.nanoTime());
  }

  /** Where a witness watched, it knows better. */
  private Optional<MemorySample> sample(Optional<WitnessRecord> noted, Duration elapsed) {
    return noted.filter(WitnessRecord::attached).isPresent()
        ? Optional.empty()
        : Optional.ofNullable(sampled).map(last -> last.asOf(began + elapsed.toNanos()));
  }

  /** Returns the latest so far. */
  Optional<MemorySample> sample() {
    return Optional.ofNullable(sampled).map(last -> last.asOf(System.nanoTime()));
  }

  private void tell(Preemption reading) {
    listening.ifPresent(to -> to.preempted(reading));
  }

  private synchronized Ending ending() {
    return ending;
  }

  private synchronized Optional<Preemption> preemption() {
    return preemption;
  }

  /** Returns what the child's runtime was told of its limit. */
  Map<String, String> tuning() {
    return tuning;
  }

  /** Returns what is in force, also around the child. */
  Map<Protection, ProtectionState> protections() {
    Map<Protection, ProtectionState> all = new EnumMap<>(Protection.class);
    all.putAll(inForce);
    if (plan.limits().requirement(Protection.WITNESS) != Requirement.OFF) {
      all.put(Protection.WITNESS, preload.state());
    }
    if (plan.limits().requirement(Protection.CGROUP_LEAF) != Requirement.OFF) {
      all.put(Protection.CGROUP_LEAF, lease.state());
    }
    return all;
  }

  /** Returns the child's leaf, if it is in one. */
  Optional<Leaf> leaf() {
    return lease.leaf();
  }

  /** Completes when the child's leaf was removed; at once if it has none. */
  CompletableFuture<Void> leafGone() {
    return lease.gone();
  }

  /** Returns what every descendant of the child has in its environment, or empty. */
  Optional<String> mark() {
    return preload.mark();
  }

  /**
   * Gathers and judges. It gives the witness's slot back and removes the leaf, so it may be called
   * once. What the witness noted is read at once: descendants may live on. The leaf is removed on
   * another thread, if one is to be had. Files are read on another thread, if one is to be had: the
   * child may have put a FIFO, or a network that does not answer, there. So is the kernel's log,
   * which may be long; and what the child said is looked up there, since an application's patterns
   * may be slow. The kernel's counters are read at once: they go on counting. A listener is told
   * before the outcome is known, unless it blocks.
   */
  CompletableFuture<Outcome> examine(Child.End end) {
    Duration elapsed = Duration.ofNanos(end.at() - began);
    Optional<WitnessRecord> noted;
    try {
      noted = preload.read();
      listening.ifPresent(to -> preload.slot().ifPresent(slot -> to.refused(slot, true)));
    } finally {
      preload.release();
    }
    boolean success = end.status().isSuccess();
    Optional<CgroupRecord> cgroups =
        success ? Optional.empty() : Optional.of(kernel.look(lease, end.status()));
    Optional<String> leaf = lease.leaf().map(Leaf::name);
    CompletableFuture<?> released = listening.map(this::release).orElseGet(this::release);
    boolean inFiles = files.output().isPresent() || files.error().isPresent();
    boolean inTheLog =
        ending() == Ending.ITS_OWN
            && cgroups.filter(now -> kernel.mayBeInTheLog(end.status(), now)).isPresent();
    Supplier<Outcome> judgement =
        () ->
            judge(
                end,
                elapsed,
                noted,
                cgroups,
                inTheLog
                    ? kernel.victims().find(kernel.mark(), child.pid(), leaf)
                    : Optional.empty());
    CompletableFuture<Outcome> judged =
        inTheLog || (inFiles && !success) || maySpeak(success)
            ? CompletableFuture.supplyAsync(judgement, Elsewhere::run)
            : CompletableFuture.completedFuture(judgement.get());
    return judged.thenCombine(released, (outcome, nothing) -> outcome);
  }

  /** Tells whether the catalogue will be asked. */
  private boolean maySpeak(boolean success) {
    return !success && ending() == Ending.ITS_OWN && plan.limits().memory().isPresent();
  }

  /**
   * Not on this thread, which may be the watcher's: the kernel makes whoever removes a cgroup wait.
   */
  private CompletableFuture<?> release() {
    return lease.directory().isPresent()
        ? CompletableFuture.runAsync(lease::release, Elsewhere::run)
        : CompletableFuture.completedFuture(null);
  }

  private CompletableFuture<?> release(MemoryEvents.Listening listener) {
    CompletableFuture<Void> told = listener.tellLast();
    if (lease.directory().isEmpty()) {
      lease.release();
      return told;
    }
    CompletableFuture<Void> removed =
        CompletableFuture.runAsync(
            () -> {
              listener.stop();
              lease.release();
            },
            Elsewhere::run);
    return CompletableFuture.allOf(told, removed);
  }

  private Outcome judge(
      Child.End end,
      Duration elapsed,
      Optional<WitnessRecord> noted,
      Optional<CgroupRecord> cgroups,
      Optional<KernelLogRecord> log) {
    boolean success = end.status().isSuccess();
    String program = ProgramFile.nameOf(plan.program());
    Map<Protection, ProtectionState> states = protections();
    states.computeIfPresent(Protection.WITNESS, (it, then) -> preload.stateAtTheEnd(noted));
    Evidence evidence =
        new Evidence(
            child.pid(),
            program,
            preload
                .program()
                .map(file -> ProgramFile.nameOf(file.path()))
                .filter(name -> !name.equals(program)),
            end.status(),
            ending(),
            plan.options().timeout(),
            elapsed,
            plan.limits(),
            states,
            end.usage(),
            noted,
            sample(noted, elapsed),
            cgroups,
            log,
            preemption(),
            success ? "" : text(child.outputTail(), files.output()),
            success ? "" : text(child.errorTail(), files.error()),
            files.shared(),
            tuning,
            List.of());
    return Diagnoser.diagnose(evidence, catalogue);
  }

  private static String text(String piped, Optional<FileTail> file) {
    return piped.isEmpty() ? file.map(FileTail::text).orElse("") : piped;
  }
}
