package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.Refusals.News;
import io.memguard.outcome.WitnessRecord;
import io.memguard.outcome.WitnessedProcess;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A refusal is told at once, and ten thousand more of them ten seconds later. */
@Tag("engine-independent")
final class RefusalsTest {
  private static final long LATER = Refusals.AGAIN_NANOS;

  private final Refusals refusals = new Refusals();

  @Test
  void aProcessIsToldOfOnceAndAgainWhenItsTimeHasCome() {
    assertThat(times(noted(0, process(7, 1)), 0)).containsExactly(1L);
    assertThat(times(noted(0, process(7, 10_000)), 1)).isEmpty();
    assertThat(times(noted(0, process(7, 10_001)), LATER)).containsExactly(10_000L);
    assertThat(times(noted(0, process(7, 10_001)), 3 * LATER)).isEmpty();
  }

  @Test
  void eachProcessHasItsOwnTime() {
    assertThat(times(noted(0, process(7, 1)), 0)).containsExactly(1L);
    assertThat(times(noted(0, process(7, 2), process(8, 5)), 1)).containsExactly(5L);
  }

  @Test
  void whoWasRefusedNothingIsNoNews() {
    assertThat(times(noted(0, process(7, 0)), 0)).isEmpty();
  }

  @Test
  void inTheEndNothingIsHeldBack() {
    assertThat(times(noted(0, process(7, 1)), 0)).containsExactly(1L);
    assertThat(refusals.news(noted(0, process(7, 4)), Set.of(), 1, true))
        .containsExactly(new News(3, Optional.of(process(7, 4))));
  }

  @Test
  void thoseWithoutRoomHaveNoProcess() {
    assertThat(refusals.news(noted(3, process(7, 1)), Set.of(), 0, false))
        .containsExactly(new News(1, Optional.of(process(7, 1))), new News(3, Optional.empty()));
  }

  @Test
  void nothingIsHeldBackOfWhoIsGoneAndItsNumberBeginsAnew() {
    assertThat(times(noted(0, process(7, 1)), 0)).containsExactly(1L);
    assertThat(refusals.news(noted(0, process(7, 4), process(8, 1)), Set.of(7), 1, false))
        .extracting(News::times)
        .containsExactly(3L, 1L);
    assertThat(times(noted(0, process(7, 4)), 2)).containsExactly(4L);
  }

  @Test
  void afterTheLastNothingIsTold() {
    assertThat(refusals.news(noted(1, process(7, 2)), Set.of(), 0, true)).hasSize(2);
    assertThat(refusals.news(noted(2, process(7, 3)), Set.of(), LATER, false)).isEmpty();
    assertThat(refusals.news(noted(2, process(7, 3)), Set.of(), LATER, true)).isEmpty();
  }

  @Test
  void aProcessWithTwoRecordsIsToldOfOnce() {
    assertThat(times(noted(0, process(7, 2), process(8, 1), process(7, 3)), 0))
        .containsExactly(5L, 1L);
    assertThat(times(noted(0, process(7, 2), process(8, 1), process(7, 3)), LATER)).isEmpty();
  }

  @Test
  void moreWithoutRoomThanAnIntHoldsAreToldOf() {
    assertThat(times(noted(1L << 31), 0)).containsExactly(1L << 31);
    assertThat(times(noted((1L << 31) + 5), LATER)).containsExactly(5L);
  }

  @Test
  void aNumberThatIsAnothersByNowBeginsAnew() {
    assertThat(times(noted(0, process(7, 5)), 0)).containsExactly(5L);
    assertThat(times(noted(0, process(7, 2)), 1)).containsExactly(2L);
    assertThat(times(noted(0, process(8, 1)), 2)).containsExactly(1L); // 7 is forgotten
    assertThat(times(noted(0, process(7, 2)), 3)).containsExactly(2L);
  }

  private List<Long> times(WitnessRecord noted, long now) {
    return refusals.news(noted, Set.of(), now, false).stream().map(News::times).toList();
  }

  private static WitnessRecord noted(long withoutRoom, WitnessedProcess... processes) {
    return new WitnessRecord(1, 1, OptionalLong.of(1), withoutRoom, List.of(processes));
  }

  private static WitnessedProcess process(int pid, long refusals) {
    return new WitnessedProcess(
        pid, "p", 0, refusals, 0, 0, OptionalLong.empty(), Optional.empty(), OptionalLong.empty());
  }
}
