package io.memguard.diagnose;

import io.memguard.diagnose.Catalogue.Match;
import io.memguard.diagnose.Doubt.Words;
import io.memguard.limits.MemorySize;
import io.memguard.outcome.Cause;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.Evidence;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.WaitStatus;
import io.memguard.outcome.WitnessRecord;
import io.memguard.outcome.WitnessedProcess;
import java.util.Comparator;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;

/**
 * What the witness saw refused: memory, or room for the stack of a thread.
 *
 * @param process who was refused it, if that is known
 * @param what what became of it, as a part of a sentence
 * @param bytes how much
 * @param doubt what speaks against that being the reason of the end
 */
record Refused(Optional<WitnessedProcess> process, String what, OptionalLong bytes, Doubt doubt) {
  /**
   * What a program dies of that does not expect to be refused memory: ILL, TRAP, ABRT, BUS, FPE,
   * SEGV, SYS.
   */
  private static final Set<Integer> RAISED = Set.of(4, 5, 6, 7, 8, 11, 31);

  /** HUP, INT, KILL, TERM: which a shell tells of as an exit code, 128 more. */
  private static final Set<Integer> SENT = Set.of(129, 130, 137, 143);

  /** More than any process can have. */
  private static final long ADDRESS_SPACE = 1L << 47;

  /** Empty also for what somebody sent a signal, whatever it had been refused before. */
  static Optional<Outcome> verdict(Evidence evidence, StartUp startUp, Optional<Match> said) {
    if (wasSentASignal(evidence)) {
      return Optional.empty();
    }
    Words words = said.map(Refused::words).orElse(Words.NONE);
    return evidence
        .witness()
        .flatMap(record -> in(record, evidence, words))
        .map(
            it ->
                (it.doubt().isNotOfOurs()
                        ? Optional.<Outcome>empty()
                        : startUp.refused(it.bytes(), it.more(evidence)))
                    .orElseGet(() -> it.denied(evidence, false)));
  }

  /** A child that memguard ended since it did nothing any more after it was refused something. */
  static Outcome hung(Evidence evidence) {
    return evidence
        .witness()
        .flatMap(record -> in(record, evidence, Words.CLEAR))
        .orElseGet(
            () ->
                new Refused(
                    Optional.empty(), "was refused memory", OptionalLong.empty(), Doubt.NONE))
        .denied(evidence, true);
  }

  /** Tells whether somebody ended it: a program ends by its exit, or a signal that it raises. */
  static boolean wasSentASignal(Evidence evidence) {
    WaitStatus status = evidence.status();
    return status instanceof WaitStatus.Kill kill
        ? !RAISED.contains(kill.signal().number())
        : SENT.contains(status.exitValue());
  }

  /** Whether it was watched, and refused nothing. */
  static boolean nothing(Evidence evidence) {
    return evidence.watched()
        && evidence
            .witness()
            .filter(record -> !record.sawRefusal() && record.threadWithoutRoom().isEmpty())
            .isPresent();
  }

  private static Words words(Match match) {
    if (!match.is(Cause.ALLOCATION_DENIED)) {
      return Words.NONE;
    }
    boolean itself = match.proven() || match.around() || match.rule().programs().isEmpty();
    return match.most() == Confidence.PROBABLE && itself ? Words.CLEAR : Words.LIKELY;
  }

  private static Optional<Refused> in(WitnessRecord record, Evidence evidence, Words words) {
    if (!record.sawRefusal()) {
      return record
          .threadWithoutRoom()
          .map(process -> thread(process, Doubt.of(process, evidence, words)));
    }
    Comparator<Refused> clearest = Comparator.comparing(Refused::doubt);
    return record.processes().stream()
        .filter(one -> one.refusals() > 0)
        .map(one -> memory(Optional.of(one), one.largestBytes(), Doubt.of(one, evidence, words)))
        .min(clearest.thenComparing(it -> -it.bytes().orElse(0)))
        .or(
            () ->
                Optional.of(
                    memory(Optional.empty(), record.largestRefusedBytes(), Doubt.AT_ANY_TIME)));
  }

  private static Refused memory(
      Optional<WitnessedProcess> process, OptionalLong size, Doubt doubt) {
    String what = "asked for " + MemorySize.format(size.orElse(0)) + " and was refused";
    return new Refused(process, what, size, doubt);
  }

  private static Refused thread(WitnessedProcess process, Doubt doubt) {
    long stack = process.last().orElseThrow().bytes();
    String what =
        "could not start a thread, for whose stack of "
            + MemorySize.format(stack)
            + " there was no room";
    return new Refused(Optional.of(process), what, OptionalLong.of(stack), doubt);
  }

  private OptionalLong more(Evidence evidence) {
    return Suggestion.after(evidence, process, missing());
  }

  /** Of several tries the last, which was not the largest: it went on without the others. */
  private OptionalLong missing() {
    return doubt == Doubt.ROOM_FOR_LESS || doubt == Doubt.A_TRY
        ? OptionalLong.of(process.orElseThrow().last().orElseThrow().bytes())
        : bytes;
  }

  /** Names a descendant; the child itself, or what it was before it became another, is "it". */
  private Outcome denied(Evidence evidence, boolean hung) {
    Optional<WitnessedProcess> another = process.filter(it -> it.pid() != evidence.pid());
    String explanation =
        another.map(it -> "Its process " + it.pid() + " (" + it.name() + ")").orElse("It")
            + " "
            + what
            + (doubt == Doubt.BY_ANOTHER_LIMIT ? "" : Armed.under(evidence))
            + ", then "
            + (another.isPresent() ? "the child " : "")
            + (hung ? "hung, and memguard ended it (" : "ended (")
            + evidence.status()
            + ")"
            + but(hung)
            + ".";
    return new Outcome.OutOfMemory(
        Cause.ALLOCATION_DENIED,
        hung || doubt != Doubt.NONE ? Confidence.PROBABLE : Confidence.CERTAIN,
        bytes,
        wouldHelp() ? more(evidence) : OptionalLong.empty(),
        hung,
        explanation,
        evidence);
  }

  /** That it hangs because of it is never certain, and goes without saying why. */
  private String but(boolean hung) {
    return hung && !doubt.isNotOfOurs() ? "" : doubt.words();
  }

  private boolean wouldHelp() {
    return !doubt.isNotOfOurs() && missing().orElse(0) <= ADDRESS_SPACE;
  }
}
