package io.memguard.diagnose;

import io.memguard.diagnose.Catalogue.Match;
import io.memguard.outcome.Cause;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.Evidence;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.RuntimeRule;
import java.util.Optional;
import java.util.OptionalLong;

/** What a child said, where nobody saw it refused anything. */
final class Spoken {
  private final Evidence evidence;
  private final Match match;

  private Spoken(Evidence evidence, Match match) {
    this.evidence = evidence;
    this.match = match;
  }

  static Optional<Outcome> verdict(Evidence evidence, Optional<Match> said) {
    return said.flatMap(match -> new Spoken(evidence, match).outcome());
  }

  private Optional<Outcome> outcome() {
    return switch (match.rule().cause()) {
      case RUNTIME_HEAP -> runtimeHeap();
      case ALLOCATION_DENIED -> evidence.watched() ? Optional.empty() : Optional.of(denied());
      default -> Optional.empty();
    };
  }

  /**
   * Its runtime has a limit of its own, which no witness sees. That nothing was refused speaks for
   * it as well; but a stranger's words are nothing where the program itself was watched, and of a
   * descendant's it is not known whether they are its.
   */
  private Optional<Outcome> runtimeHeap() {
    if (evidence.watched() && !match.proven() && !match.around()) {
      return Optional.empty();
    }
    RuntimeRule rule = match.rule();
    boolean follows = evidence.heapFollowsLimit();
    OptionalLong unknown = OptionalLong.empty();
    String explanation =
        "The limit that "
            + rule.runtime()
            + " has for itself was reached ("
            + evidence.status()
            + (follows
                ? "); it was set after memguard's, and grows with that."
                : "); a larger limit of memguard's alone does not help"
                    + (rule.remedy().isEmpty() ? "" : ": " + rule.remedy())
                    + ".");
    Confidence confidence =
        evidence.watched() && match.proven() ? match.most() : Confidence.POSSIBLE;
    return Optional.of(
        new Outcome.OutOfMemory(
            Cause.RUNTIME_HEAP,
            confidence,
            unknown,
            follows ? Suggestion.after(evidence, unknown) : unknown,
            false,
            explanation,
            evidence));
  }

  private Outcome denied() {
    boolean near = Nearness.isNear(evidence);
    String explanation =
        "It ended as "
            + match.rule().runtime()
            + " does that is refused memory"
            + Armed.under(evidence)
            + " ("
            + evidence.status()
            + (near ? ", and it was near that limit" : "")
            + "); nobody could watch its allocations.";
    return new Outcome.OutOfMemory(
        Cause.ALLOCATION_DENIED,
        near ? match.most() : Confidence.POSSIBLE,
        OptionalLong.empty(),
        Suggestion.after(evidence, OptionalLong.empty()),
        false,
        explanation,
        evidence);
  }
}
