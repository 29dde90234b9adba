package io.memguard.limits;

import io.memguard.limits.VictimPolicy.Candidate;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;

/** What {@link VictimPolicy#standard} promises. */
final class StandardVictimPolicy {
  static final VictimPolicy POLICY = StandardVictimPolicy::choose;

  /** Of what the largest holds, one must hold this part to be worth its end. */
  private static final int PART = 4;

  private static final Comparator<Candidate> FIRST =
      Comparator.comparing((Candidate one) -> !one.overItsLimit())
          .thenComparing(one -> !one.retryable())
          .thenComparing(Candidate::age)
          .thenComparing(Comparator.comparingLong(Candidate::bytes).reversed());

  private StandardVictimPolicy() {}

  private static Optional<Candidate> choose(List<Candidate> candidates) {
    long largest = candidates.stream().mapToLong(Candidate::bytes).max().orElse(0);
    return candidates.stream()
        .filter(one -> one.overItsLimit() || one.bytes() >= largest / PART)
        .min(FIRST);
  }
}
