package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Which trees are looked at together, told with latenesses that are played: trees are numbered in
 * the order in which they were started.
 */
@Tag("engine-independent")
final class LatestTreesTest {
  @Test
  void theLatestComeFirst() {
    assertThat(latest(0, 3, -0.1, 1e9, 0.5)).containsExactly(3, 1, 4, 0, 2);
  }

  @Test
  void ofThoseThatAreAsLateWhoWasStartedLastComesFirst() {
    assertThat(latest(1, 0, 1, 0, 1)).containsExactly(4, 2, 0, 3, 1);
  }

  /** So that those that were started one after the other come to be looked at together. */
  @Test
  void whoIsNearlyDueIsLookedAtTooAndNobodyElse() {
    assertThat(latest(0, -0.25, -0.2501, -1)).containsExactly(0, 1);
    assertThat(latest(-0.5)).isEmpty();
  }

  /** Lest the others wait long. */
  @Test
  void atMostAHundredAreLookedAtTogether() {
    assertThat(latest(new double[100])).hasSize(100);
    assertThat(latest(new double[250]))
        .isEqualTo(IntStream.range(0, 100).mapToObj(i -> 249 - i).toList());
    double[] falling = IntStream.range(0, 250).mapToDouble(i -> 250 - i).toArray();
    assertThat(latest(falling)).isEqualTo(IntStream.range(0, 100).boxed().toList());
  }

  private static List<Integer> latest(double... lateness) {
    List<Integer> trees = IntStream.range(0, lateness.length).boxed().toList();
    return TreeWatch.latest(trees, tree -> lateness[tree]);
  }
}
