package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.TreeGauge.Action;
import io.memguard.TreeGauge.Judgement;
import io.memguard.platform.procfs.ProcessTrees.Reading;
import io.memguard.platform.procfs.ProcessTrees.Source;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * What is done about a tree, and when it is looked at again: told with readings that are played.
 */
@Tag("engine-independent")
final class TreeGaugeTest {
  private static final long MIB = 1 << 20;
  private static final long SOFT = 600 * MIB;
  private static final long HARD = 1000 * MIB;
  private static final long MILLI = 1_000_000;
  private static final OptionalLong UNKNOWN = OptionalLong.empty();

  private long now = 5;
  private long measuringTakes;
  private int measured;
  private final TreeGauge gauge = gauge(OptionalLong.of(SOFT), OptionalLong.of(HARD));

  @Test
  void belowItsThresholdsATreeIsNotMeasured() {
    assertThat(look(SOFT - 1, 0)).isEqualTo(nothing());
    assertThat(measured).isZero();
  }

  @Test
  void whatCountsDoubleInTheCheapNumberIsNotHeldAgainstIt() {
    assertThat(look(3 * HARD, 100 * MIB).action()).isEqualTo(Action.NONE);
    assertThat(measured).isEqualTo(1);
  }

  @Test
  void pastItsHardThresholdItIsEndedOnce() {
    Judgement judgement = look(HARD + 1, HARD + 1);
    assertThat(judgement.action()).isEqualTo(Action.END);
    assertThat(judgement.reading()).hasValue(settled(HARD + 1));
    later();
    assertThat(look(HARD + 1, HARD + 1).action()).isEqualTo(Action.NONE);
  }

  @Test
  void exactlyAtItItIsNot() {
    assertThat(look(HARD, HARD).action()).isEqualTo(Action.NONE);
  }

  @Test
  void itIsKilledIfItGoesOnGrowingWhileItIsBeingEnded() {
    look(HARD + 1, HARD + 1);
    later();
    assertThat(look(HARD + 200 * MIB, HARD + 200 * MIB).action()).isEqualTo(Action.NONE);
    later();
    assertThat(look(HARD + 300 * MIB, HARD + 300 * MIB).action()).isEqualTo(Action.KILL);
    later();
    assertThat(look(9 * HARD, 9 * HARD).action()).isEqualTo(Action.NONE);
  }

  /** A fork in the middle of the reading, or an end, counts what is shared twice. */
  @Test
  void anUnsettledReadingCountsOnlyAtTwice() {
    assertThat(gauge.look(UNKNOWN, 2 * HARD, enough -> unsettled(2 * HARD)).action())
        .isEqualTo(Action.NONE);
    assertThat(gauge.due() - now).isEqualTo(TreeGauge.SHORTEST_NANOS);
    later();
    assertThat(gauge.look(UNKNOWN, 2 * HARD, enough -> unsettled(2 * HARD + 2)).action())
        .isEqualTo(Action.END);
  }

  @Test
  void theSoftThresholdIsToldOnceForEachCrossing() {
    assertThat(look(SOFT, SOFT).high()).isTrue();
    later();
    assertThat(look(SOFT + 1, SOFT + 1).high()).isFalse();
    later();
    look(SOFT - 1, SOFT - 1); // just below is not back
    later();
    assertThat(look(SOFT, SOFT).high()).isFalse();
    later();
    look(SOFT / 2, SOFT / 2);
    later();
    assertThat(look(SOFT, SOFT).high()).isTrue();
  }

  @Test
  void theSoftThresholdIsNotToldOnAnUnsettledReading() {
    assertThat(gauge.look(UNKNOWN, SOFT, enough -> unsettled(SOFT)).high()).isFalse();
    later();
    assertThat(look(SOFT, SOFT).high()).isTrue();
  }

  @Test
  void aJumpPastBothIsToldAndEnded() {
    Judgement judgement = look(HARD + 1, HARD + 1);
    assertThat(judgement.high()).isTrue();
    assertThat(judgement.action()).isEqualTo(Action.END);
  }

  @Test
  void itIsLookedAtAgainBeforeItCouldGetThere() {
    look(0, 0);
    assertThat(gauge.due() - now).isEqualTo(MemoryWatch.nanosToFill(SOFT));
    look(SOFT - 100 * MIB, 0);
    assertThat(gauge.due() - now).isEqualTo(MemoryWatch.nanosToFill(100 * MIB));
    look(SOFT - 1, 0);
    assertThat(gauge.due() - now).isEqualTo(TreeGauge.SHORTEST_NANOS);
    TreeGauge wide = gauge(OptionalLong.empty(), OptionalLong.of(1000 * HARD));
    assertThat(wide.due() - now).isEqualTo(TreeGauge.LONGEST_NANOS);
  }

  @Test
  void measuringTakesAFifthOfTheTimeAtMost() {
    measuringTakes = 10 * MILLI;
    look(2 * HARD, HARD - MIB);
    assertThat(gauge.due() - now).isEqualTo(40 * MILLI);
    now += 39 * MILLI;
    look(2 * HARD, HARD - MIB);
    assertThat(measured).isEqualTo(1);
    now += MILLI;
    look(2 * HARD, HARD - MIB);
    assertThat(measured).isEqualTo(2);
  }

  @Test
  void howeverLongMeasuringTookItIsLookedAtASecondLater() {
    measuringTakes = 20 * TreeGauge.LONGEST_PAUSE_NANOS;
    look(2 * HARD, HARD - MIB);
    assertThat(gauge.due() - now).isEqualTo(TreeGauge.LONGEST_PAUSE_NANOS);
  }

  @Test
  void itNeedNotBeLookedAtIfTheMachineHasNotGivenOutAsMuch() {
    look(OptionalLong.of(7), SOFT - 100 * MIB, 0);
    now = gauge.due();
    assertThat(gauge.isDue(now, UNKNOWN, 1)).isTrue();
    assertThat(gauge.isDue(now, OptionalLong.of(7 + 100 * MIB), 1)).isTrue();
    assertThat(gauge.isDue(now, OptionalLong.of(7 + 40 * MIB), 1)).isFalse();
    assertThat(gauge.due() - now).isEqualTo(MemoryWatch.nanosToFill(60 * MIB));
    now += TreeGauge.LONGEST_NANOS;
    assertThat(gauge.isDue(now, OptionalLong.of(7), 1)).as("who is in it has to be seen").isTrue();
  }

  @Test
  void onceHalfOfWhatItLackedIsGivenOutItIsLookedAtInTime() {
    look(OptionalLong.of(7), SOFT - 100 * MIB, 0);
    now = gauge.due();
    assertThat(gauge.isDue(now, OptionalLong.of(7 + 50 * MIB - 1), 1)).isFalse();
    now = gauge.due();
    assertThat(gauge.isDue(now, OptionalLong.of(7 + 50 * MIB), 1)).isTrue();
  }

  /** Then a look is dearer than to ask the machine some more times. */
  @Test
  void whereManyAreWatchedNearlyAllHasToBeGivenOut() {
    look(OptionalLong.of(7), SOFT - 100 * MIB, 0);
    now = gauge.due();
    assertThat(gauge.isDue(now, OptionalLong.of(7 + 98 * MIB), 3000)).isFalse();
    now = gauge.due();
    assertThat(gauge.isDue(now, OptionalLong.of(7 + 100 * MIB), 3000)).isTrue();
  }

  /** Otherwise it would be asked ever more often, the less is left. */
  @Test
  void theMachineIsNotAskedMuchMoreOftenThanTheTreeNeedsToFill() {
    double asked = asksPerFilling(SOFT - 96 * MIB);
    assertThat(asked).isBetween(1.0, 1.5);
  }

  /** Then the machine is asked instead, as long as it can: to measure is dear. */
  @Test
  void whoCountsForMoreThanHeHasIsMeasuredOnlyWhenAllHeLackedIsGivenOut() {
    look(OptionalLong.of(7), SOFT - 100 * MIB, 0);
    for (long i = 1; i <= 2; i++) {
      now = gauge.due();
      look(OptionalLong.of(7 + (100 * i - 60) * MIB), 3 * HARD, SOFT - 100 * MIB);
      now = gauge.due();
      assertThat(gauge.isDue(now, OptionalLong.of(7 + (100 * i - 1) * MIB), 1)).isFalse();
      now = gauge.due();
      assertThat(gauge.isDue(now, OptionalLong.of(7 + 100 * i * MIB), 1)).isTrue();
      assertThat(measured).isEqualTo(i - 1);
      look(OptionalLong.of(7 + 100 * i * MIB), 3 * HARD, SOFT - 100 * MIB);
      assertThat(measured).isEqualTo(i);
    }
  }

  /**
   * Returns how often the machine is asked, while others take a tenth of what memory can be filled
   * with, in the time in which the tree could fill what it lacks.
   */
  private double asksPerFilling(long most) {
    long began = now;
    int asked = 0;
    look(OptionalLong.of(0), most, 0);
    long filling = gauge.due() - now;
    while (now - began < 100 * filling) {
      now = gauge.due();
      asked++;
      OptionalLong givenOut = OptionalLong.of((SOFT - most) * (now - began) / filling / 10);
      if (gauge.isDue(now, givenOut, 1)) {
        look(givenOut, most, 0);
      }
    }
    return asked / 100.0;
  }

  @Test
  void whatTheMachineHasGivenOutNeverMakesItDueEarlier() {
    look(OptionalLong.of(7), SOFT - 100 * MIB, 0);
    long due = gauge.due();
    assertThat(gauge.isDue(now, OptionalLong.of(7 + 99 * MIB), 1)).isFalse();
    assertThat(gauge.due()).isEqualTo(due);
  }

  @Test
  void howLateItIsToLookFollowsFromHowLongItCouldWait() {
    look(OptionalLong.of(7), SOFT - 100 * MIB, 0);
    long began = now;
    long waits = gauge.due() - now;
    OptionalLong much = OptionalLong.of(7 + 100 * MIB);
    assertThat(gauge.isDue(now, much, 1)).isFalse();
    assertThat(gauge.lateness(now)).isEqualTo(-1);
    now += waits;
    assertThat(gauge.isDue(now, much, 1)).isTrue();
    assertThat(gauge.lateness(now)).isZero();
    assertThat(gauge.lateness(now + waits)).isEqualTo(1);
    assertThat(gauge.lateness(now + waits + TreeGauge.LONGEST_NANOS)).isGreaterThan(1e9);
    assertThat(gauge.isDue(now, OptionalLong.of(7), 1)).as("it cannot have grown").isFalse();
    assertThat(gauge.lateness(began + TreeGauge.LONGEST_NANOS / 2)).isEqualTo(-0.5);
  }

  @Test
  void itNeedNotBeMeasuredAgainIfTheMachineHasNotGivenOutAsMuch() {
    look(OptionalLong.of(7), 3 * HARD, SOFT - 100 * MIB);
    now += 4 * TreeGauge.LONGEST_NANOS;
    look(OptionalLong.of(7 + 40 * MIB), 3 * HARD, 0);
    assertThat(measured).isEqualTo(1);
    assertThat(gauge.due() - now).isEqualTo(MemoryWatch.nanosToFill(60 * MIB));
    look(OptionalLong.of(7 + 100 * MIB), 3 * HARD, SOFT - 100 * MIB);
    assertThat(measured).isEqualTo(2);
    now += 5 * TreeGauge.LONGEST_NANOS;
    look(OptionalLong.of(7 + 100 * MIB), 3 * HARD, 0);
    assertThat(measured).as("it may have come down").isEqualTo(3);
  }

  @Test
  void withoutAHardThresholdItIsOnlyTold() {
    TreeGauge soft = gauge(OptionalLong.of(SOFT), OptionalLong.empty());
    Judgement judgement = soft.look(UNKNOWN, 9 * HARD, enough -> settled(9 * HARD));
    assertThat(judgement.high()).isTrue();
    assertThat(judgement.action()).isEqualTo(Action.NONE);
    assertThat(soft.due() - now).isEqualTo(TreeGauge.LONGEST_NANOS);
  }

  private TreeGauge gauge(OptionalLong soft, OptionalLong hard) {
    return new TreeGauge(soft, hard, () -> now, () -> now);
  }

  private Judgement look(long most, long bytes) {
    return look(UNKNOWN, most, bytes);
  }

  private Judgement look(OptionalLong givenOut, long most, long bytes) {
    return gauge.look(
        givenOut,
        most,
        enough -> {
          measured++;
          now += measuringTakes;
          return settled(bytes);
        });
  }

  private void later() {
    now += TreeGauge.LONGEST_NANOS;
  }

  private static Judgement nothing() {
    return new Judgement(false, Action.NONE, Optional.empty(), 0);
  }

  private static Reading settled(long bytes) {
    return new Reading(bytes, 2, Source.ROLLUP, true);
  }

  private static Reading unsettled(long bytes) {
    return new Reading(bytes, 2, Source.ROLLUP, false);
  }
}
