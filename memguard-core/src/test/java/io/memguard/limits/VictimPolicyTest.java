package io.memguard.limits;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.VictimPolicy.Candidate;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Whom the standard policy chooses. */
@Tag("engine-independent")
final class VictimPolicyTest {
  private static final long MIB = 1L << 20;

  @Test
  void firstWhoIsOverItsOwnLimit() {
    Candidate over = child(1, MemoryLimits.of(10 * MIB), 11, 9, false);
    assertThat(chosen(child(2, MemoryLimits.none(), 100, 1, true), over)).isEqualTo(over);
  }

  /**
   * The tree's counts, where there is one: each of its processes may have as much as the rlimit.
   */
  @Test
  void theLimitIsThatOfTheTree() {
    MemoryLimits limits = MemoryLimits.of(10 * MIB).withTreeMemory(50 * MIB);
    assertThat(child(1, limits, 50, 1, false).overItsLimit()).isFalse();
    assertThat(child(1, limits, 51, 1, false).overItsLimit()).isTrue();
    assertThat(child(1, MemoryLimits.none(), 51, 1, false).overItsLimit()).isFalse();
  }

  @Test
  void thenWhoIsTriedAgain() {
    Candidate again = child(1, MemoryLimits.none(), 30, 9, true);
    assertThat(chosen(child(2, MemoryLimits.none(), 100, 1, false), again)).isEqualTo(again);
  }

  @Test
  void thenWhoWasStartedLast() {
    Candidate last = child(1, MemoryLimits.none(), 30, 1, false);
    assertThat(chosen(child(2, MemoryLimits.none(), 100, 2, false), last)).isEqualTo(last);
  }

  @Test
  void thenWhoHoldsMost() {
    Candidate largest = child(1, MemoryLimits.none(), 100, 1, false);
    assertThat(chosen(child(2, MemoryLimits.none(), 90, 1, false), largest)).isEqualTo(largest);
  }

  @Test
  void whoHoldsNextToNothingIsLeftAlone() {
    Candidate large = child(1, MemoryLimits.none(), 100, 9, false);
    assertThat(chosen(child(2, MemoryLimits.none(), 24, 1, true), large)).isEqualTo(large);
    Candidate quarter = child(3, MemoryLimits.none(), 25, 1, true);
    assertThat(chosen(quarter, large)).isEqualTo(quarter);
  }

  private static Candidate chosen(Candidate... all) {
    List<Candidate> candidates = new ArrayList<>(List.of(all));
    Candidate one = VictimPolicy.standard().choose(candidates).orElseThrow();
    Collections.reverse(candidates);
    assertThat(VictimPolicy.standard().choose(candidates)).contains(one);
    return one;
  }

  private static Candidate child(
      long pid, MemoryLimits limits, long mebibytes, int ageSeconds, boolean retryable) {
    return new Candidate(
        pid, limits, mebibytes * MIB, 1, Duration.ofSeconds(ageSeconds), retryable);
  }
}
