package io.memguard.diagnose;

import io.memguard.diagnose.Catalogue.Match;
import io.memguard.outcome.Cause;
import io.memguard.outcome.Evidence;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.WaitStatus;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * Weighs the evidence of one death. The first rule that applies decides:
 *
 * <ol>
 *   <li>memguard ended it: it timed out, was cancelled, or is {@link Cause#PREEMPTED}, certain; or
 *       it hung after it had been refused memory: {@link Cause#ALLOCATION_DENIED}, probable;
 *   <li>it exited with 0: it succeeded, whatever it was refused on the way;
 *   <li>it was killed by SIGKILL, and the kernel's counters say that it was for lack of memory:
 *       whose, see {@link KernelKill};
 *   <li>the witness noted a refusal of memory, or of a thread whose stack had no room under the
 *       limit, and it ended as a program does by itself, by its exit or a signal that programs
 *       raise: {@link Cause#ALLOCATION_DENIED}, certain, or probable where it may have ended for
 *       another reason, see {@link Refused}; if it said that it could not start, {@link
 *       Cause#LIMIT_TOO_LOW}, and probable where only the limit is below what its program is known
 *       to start under;
 *   <li>the kernel's counters say that what it waited for was killed for lack of memory;
 *   <li>under a limit, and without ever getting as far as the witness, it died as a program does
 *       that cannot be loaded, or said so; or it got there, and died so under less than its program
 *       is known to start under: {@link Cause#LIMIT_TOO_LOW};
 *   <li>under a limit, it said that its runtime's own limit was reached: {@link
 *       Cause#RUNTIME_HEAP}, probable when it was watched and refused nothing, else possible;
 *   <li>under a limit and unwatched, it ended as its runtime does when refused memory: {@link
 *       Cause#ALLOCATION_DENIED}, probable when it also was near the limit, else possible;
 *   <li>under a limit and unwatched, it failed and had nearly all of the limit when it was last
 *       looked at: {@link Cause#ALLOCATION_DENIED}, possible;
 *   <li>otherwise it exited, or was killed, for reasons of its own.
 * </ol>
 */
public final class Diagnoser {
  private Diagnoser() {}

  /**
   * Decides how a child ended.
   *
   * @param evidence the facts
   * @param catalogue how runtimes end without memory
   * @return the verdict
   */
  public static Outcome diagnose(Evidence evidence, Catalogue catalogue) {
    return switch (evidence.ending()) {
      case TIME_OUT -> new Outcome.TimedOut(evidence.timeout().orElseThrow(), evidence);
      case CANCEL -> new Outcome.Cancelled(evidence);
      case HUNG -> Refused.hung(evidence);
      case PREEMPT -> Preempted.verdict(evidence, evidence.preemption().orElseThrow());
      case ITS_OWN -> endedItself(evidence, catalogue);
    };
  }

  private static Outcome endedItself(Evidence evidence, Catalogue catalogue) {
    if (evidence.status().isSuccess()) {
      return new Outcome.Exited(0, evidence);
    }
    Optional<Match> said = catalogue.find(evidence);
    StartUp startUp = StartUp.of(evidence, catalogue, said);
    return Refused.verdict(evidence, startUp, said)
        .or(() -> killed(evidence))
        .or(startUp::unseen)
        .or(() -> Spoken.verdict(evidence, said))
        .or(() -> Nearness.verdict(evidence))
        .orElseGet(() -> unrelated(evidence));
  }

  private static Outcome unrelated(Evidence evidence) {
    return evidence.status() instanceof WaitStatus.Kill kill
        ? new Outcome.Signalled(kill.signal(), evidence)
        : new Outcome.Exited(evidence.status().exitValue(), evidence);
  }

  private static Optional<Outcome> killed(Evidence evidence) {
    return KernelKill.in(evidence)
        .map(
            kill ->
                new Outcome.OutOfMemory(
                    kill.cause(),
                    kill.confidence(),
                    OptionalLong.empty(),
                    Suggestion.after(evidence, OptionalLong.empty()),
                    false,
                    kill.explanation(),
                    evidence));
  }
}
