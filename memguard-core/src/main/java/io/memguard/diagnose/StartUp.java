package io.memguard.diagnose;

import io.memguard.diagnose.Catalogue.Match;
import io.memguard.limits.MemorySize;
import io.memguard.limits.Rlimit;
import io.memguard.outcome.Cause;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.Evidence;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.WaitStatus;
import java.util.Optional;
import java.util.OptionalLong;

/** A child that could not even start under its limit: not loaded, or its runtime gave up. */
final class StartUp {
  private static final int CANNOT_EXECUTE = 127;
  private static final int SIGKILL = 9;
  private static final int SIGSEGV = 11;

  /**
   * Programs start under more. Measured: /bin/true needs 128KiB of RLIMIT_DATA and 2.5MiB of
   * RLIMIT_AS, python3 3MiB and 14MiB.
   */
  private static final long SMALL = 16L << 20;

  private final Evidence evidence;
  private final Rlimit limit;
  private final OptionalLong startsUnder;
  private final Optional<Match> said;

  private StartUp(Evidence evidence, Rlimit limit, OptionalLong startsUnder, Optional<Match> said) {
    this.evidence = evidence;
    this.limit = limit;
    this.startsUnder = startsUnder;
    this.said = said;
  }

  static StartUp of(Evidence evidence, Catalogue catalogue, Optional<Match> said) {
    Rlimit limit = Armed.smallest(evidence);
    Optional<Match> tooLow = said.filter(match -> match.is(Cause.LIMIT_TOO_LOW));
    OptionalLong ofProgram = catalogue.startsUnder(evidence, limit);
    OptionalLong startsUnder =
        ofProgram.isPresent()
            ? ofProgram
            : tooLow.map(match -> match.rule().startsUnder(limit)).orElse(OptionalLong.empty());
    return new StartUp(evidence, limit, startsUnder, tooLow);
  }

  /**
   * After a refusal that was seen: its runtime said that it could not start, or the limit is one
   * under which its program is known not to. Alone the second is not certain, since versions
   * differ; nor is the first where others may have said it.
   */
  Optional<Outcome> refused(OptionalLong bytes, OptionalLong more) {
    if (evidence.rlimitBytes().isEmpty()) {
      return Optional.empty();
    }
    boolean below = evidence.rlimitBytes().getAsLong() < startsUnder.orElse(0);
    boolean clear = said.filter(match -> match.most() == Confidence.PROBABLE).isPresent();
    boolean itself =
        said.filter(match -> match.proven() || match.rule().programs().isEmpty()).isPresent();
    boolean own = said.filter(Match::own).isPresent();
    if ((own && below) || (clear && itself)) {
      return Optional.of(verdict(Confidence.CERTAIN, bytes, more));
    }
    return below || clear
        ? Optional.of(verdict(Confidence.PROBABLE, bytes, more))
        : Optional.empty();
  }

  /**
   * Without a witness. A program that cannot be loaded dies inside execve of SIGSEGV, under
   * RLIMIT_AS also of SIGKILL, or its loader exits with 127.
   *
   * <p>Who was watched and refused nothing may have started what could not be loaded, as a compiler
   * or a script does, or lacked room for its stack. That is no more than possible, and only under
   * less than all of it is known to need.
   */
  Optional<Outcome> unseen() {
    if (evidence.rlimitBytes().isEmpty()) {
      return Optional.empty();
    }
    if (evidence.watched()) {
      boolean below = evidence.rlimitBytes().getAsLong() < startsUnder.orElse(0);
      return below && (diedLoading() || said.filter(Match::proven).isPresent())
          ? Optional.of(unseen(Confidence.POSSIBLE))
          : Optional.empty();
    }
    boolean small = evidence.rlimitBytes().getAsLong() < startsUnder.orElse(SMALL);
    if (said.isPresent()) {
      Confidence most = said.get().most();
      return Optional.of(unseen(small ? most : Confidence.POSSIBLE));
    }
    return small && diedLoading() ? Optional.of(unseen(Confidence.POSSIBLE)) : Optional.empty();
  }

  private boolean diedLoading() {
    return evidence.status() instanceof WaitStatus.Kill kill
        ? kill.signal().number() == SIGSEGV
            || (kill.signal().number() == SIGKILL && limit == Rlimit.AS)
        : evidence.status().exitValue() == CANNOT_EXECUTE;
  }

  private Outcome unseen(Confidence confidence) {
    OptionalLong unknown = OptionalLong.empty();
    return verdict(confidence, unknown, Suggestion.after(evidence, unknown));
  }

  private Outcome verdict(Confidence confidence, OptionalLong refused, OptionalLong more) {
    String explanation =
        "It could not start"
            + Armed.under(evidence)
            + " ("
            + evidence.status()
            + "): "
            + said.map(match -> match.rule().runtime() + " said so; ").orElse("")
            + need()
            + said.map(match -> match.rule().remedy())
                .filter(remedy -> !remedy.isEmpty())
                .map(remedy -> "; " + remedy)
                .orElse("")
            + ".";
    return new Outcome.OutOfMemory(
        Cause.LIMIT_TOO_LOW,
        confidence,
        refused,
        Suggestion.toStart(more, startsUnder),
        false,
        explanation,
        evidence);
  }

  private String need() {
    return startsUnder.isPresent()
        ? "the smallest limit that is known to work for it is "
            + MemorySize.format(startsUnder.getAsLong())
        : "a dynamically linked program needs a few MiB before it does anything, a managed runtime"
            + " tens of them";
  }
}
