package io.memguard.diagnose;

import io.memguard.limits.MemorySize;
import io.memguard.limits.Protection;
import io.memguard.limits.ResourceLimit;
import io.memguard.limits.Rlimit;
import io.memguard.outcome.Cause;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.Evidence;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.Preemption;
import io.memguard.outcome.WaitStatus;
import io.memguard.outcome.WitnessRecord;
import io.memguard.outcome.WitnessedProcess;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;

/**
 * Weighs the evidence of one death. The first rule that applies decides:
 *
 * <ol>
 *   <li>memguard ended it: it timed out, was cancelled, or is {@link Cause#PREEMPTED}, certain;
 *   <li>it exited with 0: it succeeded, whatever it was refused on the way;
 *   <li>it was killed by SIGKILL, and the kernel's counters say that it was for lack of memory:
 *       whose, see {@link KernelKill};
 *   <li>the witness noted a refusal, and it ended as a program does by itself, by its exit or a
 *       signal that programs raise: {@link Cause#ALLOCATION_DENIED}, certain;
 *   <li>the kernel's counters say that what it waited for was killed for lack of memory;
 *   <li>under a limit, and without ever getting as far as the witness, it died as a program does
 *       that cannot be loaded: {@link Cause#LIMIT_TOO_LOW};
 *   <li>under a limit and unwatched, it ended as its runtime does when refused memory: {@link
 *       Cause#ALLOCATION_DENIED}, probable when it also was near the limit, else possible;
 *   <li>otherwise it exited, or was killed, for reasons of its own.
 * </ol>
 */
public final class Diagnoser {
  private static final int CANNOT_EXECUTE = 127;
  private static final int SIGKILL = 9;
  private static final int SIGSEGV = 11;

  /**
   * What a program dies of that does not expect to be refused memory: ILL, TRAP, ABRT, BUS, FPE,
   * SEGV, SYS.
   */
  private static final Set<Integer> RAISED = Set.of(4, 5, 6, 7, 8, SIGSEGV, 31);

  private static final long MIB = 1 << 20;

  /**
   * Programs start under more. Measured: /bin/true needs 128KiB of RLIMIT_DATA and 2.5MiB of
   * RLIMIT_AS, python3 more than 1MiB and 8MiB.
   */
  private static final long SMALL = 16 * MIB;

  private Diagnoser() {}

  /**
   * Decides how a child ended.
   *
   * @param evidence the facts
   * @return the verdict
   */
  public static Outcome diagnose(Evidence evidence) {
    return switch (evidence.ending()) {
      case TIME_OUT -> new Outcome.TimedOut(evidence.timeout().orElseThrow(), evidence);
      case CANCEL -> new Outcome.Cancelled(evidence);
      case PREEMPT -> preempted(evidence, evidence.preemption().orElseThrow());
      case ITS_OWN -> endedItself(evidence);
    };
  }

  /** For a limit of its own it needs more than it had; where others needed it, the same will do. */
  private static Outcome preempted(Evidence evidence, Preemption reading) {
    boolean own = reading.limit() == Preemption.Limit.TREE_MEMORY;
    long missing = reading.bytes() - reading.limitBytes();
    return new Outcome.OutOfMemory(
        Cause.PREEMPTED,
        Confidence.CERTAIN,
        OptionalLong.empty(),
        own ? OptionalLong.of(larger(reading.limitBytes(), missing)) : OptionalLong.empty(),
        false,
        own ? tooLarge(reading) : inTheWay(reading),
        evidence);
  }

  private static String tooLarge(Preemption reading) {
    return "memguard ended it: "
        + who(reading)
        + " had "
        + MemorySize.format(reading.bytes())
        + " of "
        + MemorySize.format(reading.limitBytes())
        + (reading.thresholdBytes() == reading.limitBytes()
            ? ""
            : ", and " + MemorySize.format(reading.thresholdBytes()) + " is the most they may have")
        + " ("
        + reading.source().label()
        + ").";
  }

  private static String inTheWay(Preemption reading) {
    return "memguard ended it so that others live: "
        + MemorySize.format(reading.bytes())
        + " of "
        + MemorySize.format(reading.limitBytes())
        + " were in use, and "
        + MemorySize.format(reading.thresholdBytes())
        + " is where memguard acts; "
        + who(reading)
        + " had "
        + MemorySize.format(reading.treeBytes())
        + " of it ("
        + reading.source().label()
        + ").";
  }

  private static String who(Preemption reading) {
    int others = reading.processes() - 1;
    return others < 1
        ? "it"
        : "it and " + (others == 1 ? "a descendant" : others + " descendants") + " together";
  }

  private static Outcome endedItself(Evidence evidence) {
    if (evidence.status().isSuccess()) {
      return new Outcome.Exited(0, evidence);
    }
    return refused(evidence)
        .or(() -> killed(evidence))
        .or(() -> tooLow(evidence))
        .or(() -> unwatched(evidence))
        .orElseGet(() -> unrelated(evidence));
  }

  private static Outcome unrelated(Evidence evidence) {
    return evidence.status() instanceof WaitStatus.Kill kill
        ? new Outcome.Signalled(kill.signal(), evidence)
        : new Outcome.Exited(evidence.status().exitValue(), evidence);
  }

  private static Optional<Outcome> refused(Evidence evidence) {
    if (evidence.status() instanceof WaitStatus.Kill kill
        && !RAISED.contains(kill.signal().number())) {
      return Optional.empty(); // somebody sent it, whatever it had been refused before
    }
    return evidence
        .witness()
        .flatMap(
            record ->
                record.sawRefusal()
                    ? Optional.of(refused(evidence, record))
                    : record.threadWithoutRoom().map(process -> noThread(evidence, process)));
  }

  private static Outcome refused(Evidence evidence, WitnessRecord record) {
    OptionalLong size = record.largestRefusedBytes();
    String explanation =
        record.mostRefused().map(process -> who(evidence, process)).orElse("It")
            + " asked for "
            + MemorySize.format(size.orElse(0))
            + " and was refused"
            + under(evidence)
            + ", then "
            + (record.mostRefused().filter(process -> isAnother(evidence, process)).isPresent()
                ? "the child "
                : "")
            + "ended ("
            + evidence.status()
            + ").";
    return outOfMemory(Cause.ALLOCATION_DENIED, Confidence.CERTAIN, size, explanation, evidence);
  }

  private static Outcome noThread(Evidence evidence, WitnessedProcess process) {
    OptionalLong stack = OptionalLong.of(process.last().orElseThrow().bytes());
    String explanation =
        who(evidence, process)
            + " could not start a thread, for whose stack of "
            + MemorySize.format(stack.getAsLong())
            + " there was no room"
            + under(evidence)
            + ", then "
            + (isAnother(evidence, process) ? "the child " : "")
            + "ended ("
            + evidence.status()
            + ").";
    return outOfMemory(Cause.ALLOCATION_DENIED, Confidence.CERTAIN, stack, explanation, evidence);
  }

  /** Names a descendant; the child itself, or what it was before it became another, is "it". */
  private static String who(Evidence evidence, WitnessedProcess process) {
    return isAnother(evidence, process)
        ? "Its process " + process.pid() + " (" + process.name() + ")"
        : "It";
  }

  private static boolean isAnother(Evidence evidence, WitnessedProcess process) {
    return process.pid() != evidence.pid();
  }

  /**
   * A program that cannot be loaded dies inside execve of SIGSEGV, under RLIMIT_AS also of SIGKILL,
   * or its loader exits with 127.
   */
  private static Optional<Outcome> tooLow(Evidence evidence) {
    if (evidence.rlimitBytes().isEmpty()
        || evidence.witness().filter(WitnessRecord::attached).isPresent()) {
      return Optional.empty();
    }
    boolean diedLoading =
        evidence.status() instanceof WaitStatus.Kill kill
            ? kill.signal().number() == SIGSEGV
                || (kill.signal().number() == SIGKILL && !underData(evidence))
            : evidence.status().exitValue() == CANNOT_EXECUTE;
    boolean saidSo = Signature.of(evidence).filter(Signature.LOADER::equals).isPresent();
    boolean small = evidence.rlimitBytes().getAsLong() < SMALL;
    if (!diedLoading || !(saidSo || small)) {
      return Optional.empty();
    }
    String explanation =
        "It could not start"
            + under(evidence)
            + " ("
            + evidence.status()
            + "): a dynamically linked program needs a few MiB before it does anything, a managed runtime tens of them.";
    Confidence confidence = saidSo && small ? Confidence.PROBABLE : Confidence.POSSIBLE;
    return Optional.of(
        outOfMemory(Cause.LIMIT_TOO_LOW, confidence, OptionalLong.empty(), explanation, evidence));
  }

  private static Optional<Outcome> unwatched(Evidence evidence) {
    boolean watched = evidence.witness().filter(WitnessRecord::attached).isPresent();
    if (watched || evidence.rlimitBytes().isEmpty()) {
      return Optional.empty();
    }
    return Signature.of(evidence).map(signature -> unwatched(evidence, signature));
  }

  private static Outcome unwatched(Evidence evidence, Signature signature) {
    boolean near = isNearLimit(evidence);
    String explanation =
        "It ended as a "
            + signature.runtime()
            + " program does that is refused memory"
            + under(evidence)
            + " ("
            + evidence.status()
            + (near ? ", and it was near that limit" : "")
            + "); nobody could watch its allocations.";
    return outOfMemory(
        Cause.ALLOCATION_DENIED,
        near ? Confidence.PROBABLE : Confidence.POSSIBLE,
        OptionalLong.empty(),
        explanation,
        evidence);
  }

  /** Half of it resident is near: what is mapped counts against the limit, touched or not. */
  private static boolean isNearLimit(Evidence evidence) {
    OptionalLong peak = evidence.peakRssBytes();
    return peak.isPresent()
        && peak.getAsLong() >= evidence.rlimitBytes().orElse(Long.MAX_VALUE) / 2;
  }

  private static Outcome outOfMemory(
      Cause cause,
      Confidence confidence,
      OptionalLong refused,
      String explanation,
      Evidence evidence) {
    return new Outcome.OutOfMemory(
        cause,
        confidence,
        refused,
        suggestedLimit(evidence, refused),
        false,
        explanation,
        evidence);
  }

  private static Optional<Outcome> killed(Evidence evidence) {
    return KernelKill.in(evidence)
        .map(
            kill ->
                outOfMemory(
                    kill.cause(),
                    kill.confidence(),
                    OptionalLong.empty(),
                    kill.explanation(),
                    evidence));
  }

  /** Room for what was refused on top of the limit, and at least half as much again; whole MiB. */
  private static OptionalLong suggestedLimit(Evidence evidence, OptionalLong refused) {
    if (evidence.limitBytes().isEmpty()) {
      return OptionalLong.empty();
    }
    return OptionalLong.of(larger(evidence.limitBytes().getAsLong(), refused.orElse(0)));
  }

  private static long larger(long limit, long missing) {
    long more = Math.max(missing, limit / 2);
    long sum = limit > Long.MAX_VALUE - more - MIB ? Long.MAX_VALUE - MIB : limit + more;
    return (sum + MIB - 1) / MIB * MIB;
  }

  private static String under(Evidence evidence) {
    if (evidence.rlimitBytes().isEmpty()) {
      return "";
    }
    long limit = evidence.rlimitBytes().getAsLong();
    String which = underData(evidence) ? "RLIMIT_DATA" : "RLIMIT_AS";
    return " under " + which + " " + MemorySize.format(limit);
  }

  /** Tells whether the lowest resource limit is RLIMIT_DATA. */
  private static boolean underData(Evidence evidence) {
    return evidence.active(Protection.RLIMIT_DATA)
        && evidence.limits().rlimits().values().stream()
            .anyMatch(
                one ->
                    one.resource() == Rlimit.DATA
                        && one.soft() == evidence.rlimitBytes().orElse(ResourceLimit.UNLIMITED));
  }
}
