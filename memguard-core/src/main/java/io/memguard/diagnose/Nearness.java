package io.memguard.diagnose;

import io.memguard.limits.MemorySize;
import io.memguard.limits.ResourceLimit;
import io.memguard.limits.Rlimit;
import io.memguard.outcome.Cause;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.Evidence;
import io.memguard.outcome.MemorySample;
import io.memguard.outcome.Outcome;
import java.time.Duration;
import java.util.Optional;
import java.util.OptionalLong;

/** How near to its limit a child was that nobody watched, as the last sample of it says. */
final class Nearness {
  private static final int QUARTER = 4;
  private static final int SIXTEENTH = 16;

  private Nearness() {}

  /**
   * Tells whether it had three quarters of a limit; or half of it resident: what is mapped counts
   * against the limit, touched or not.
   */
  static boolean isNear(Evidence evidence) {
    OptionalLong peak = evidence.peakRssBytes();
    return (peak.isPresent()
            && peak.getAsLong() >= evidence.rlimitBytes().orElse(Long.MAX_VALUE) / 2)
        || limitLackingOnly(evidence, QUARTER).isPresent();
  }

  /**
   * Judges a child that failed, was not watched and said nothing that is known: possible, if it had
   * nearly all of a limit.
   */
  static Optional<Outcome> verdict(Evidence evidence) {
    return evidence.watched() || Refused.wasSentASignal(evidence)
        ? Optional.empty()
        : limitLackingOnly(evidence, SIXTEENTH).map(limit -> possible(evidence, limit));
  }

  private static Outcome possible(Evidence evidence, ResourceLimit limit) {
    MemorySample sample = evidence.sample().orElseThrow();
    boolean another = sample.pid() != evidence.pid();
    String explanation =
        (another ? "Its process " + sample.pid() + " (" + sample.name() + ")" : "It")
            + " had "
            + MemorySize.format(counted(sample, limit))
            + " of RLIMIT_"
            + limit.resource()
            + " "
            + MemorySize.format(limit.soft())
            + " when it was last looked at, "
            + ago(sample.age())
            + " before the end ("
            + evidence.status()
            + "); nobody could watch its allocations, so it may have been refused one.";
    return new Outcome.OutOfMemory(
        Cause.ALLOCATION_DENIED,
        Confidence.POSSIBLE,
        OptionalLong.empty(),
        Suggestion.after(evidence, OptionalLong.empty()),
        false,
        explanation,
        evidence);
  }

  private static String ago(Duration age) {
    return age.toMillis() + " ms";
  }

  /** Returns a limit of which the sample has all but one part of so many. */
  private static Optional<ResourceLimit> limitLackingOnly(Evidence evidence, int part) {
    return evidence.sample().stream()
        .flatMap(
            sample ->
                Armed.limits(evidence).stream()
                    .map(evidence.limits().rlimits()::get)
                    .filter(limit -> counted(sample, limit) >= limit.soft() - limit.soft() / part))
        .findFirst();
  }

  private static long counted(MemorySample sample, ResourceLimit limit) {
    return limit.resource() == Rlimit.AS ? sample.peakAddressBytes() : sample.dataBytes();
  }
}
