package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.outcome.WitnessRecord;
import io.memguard.outcome.WitnessedProcess;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
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
    assertThat(refusals.news(noted(0, process(7, 4)), 1, true))
        .containsExactly(new Refusals.News(3, Optional.of(process(7, 4))));
  }

  @Test
  void thoseWithoutRoomHaveNoProcess() {
    assertThat(refusals.news(noted(3, process(7, 1)), 0, false))
        .containsExactly(
            new Refusals.News(1, Optional.of(process(7, 1))),
            new Refusals.News(3, Optional.empty()));
  }

  @Test
  void allIsToldOfWhoIsNotHeldBack() {
    assertThat(times(noted(0, process(7, 1)), 0)).hasSize(1);
    assertThat(refusals.isTold(process(7, 1))).isTrue();
    assertThat(refusals.isTold(process(8, 0))).isTrue();
    assertThat(refusals.isTold(process(7, 2))).isFalse();
  }

  @Test
  void aNumberThatIsAnothersByNowBeginsAnew() {
    assertThat(times(noted(0, process(7, 5)), 0)).containsExactly(5L);
    assertThat(times(noted(0, process(7, 2)), 1)).containsExactly(2L);
    assertThat(times(noted(0, process(8, 1)), 2)).containsExactly(1L); // 7 is forgotten
    assertThat(times(noted(0, process(7, 2)), 3)).containsExactly(2L);
  }

  private List<Long> times(WitnessRecord noted, long now) {
    return refusals.news(noted, now, false).stream().map(Refusals.News::times).toList();
  }

  private static WitnessRecord noted(int withoutRoom, WitnessedProcess... processes) {
    return new WitnessRecord(1, 1, OptionalLong.of(1), withoutRoom, List.of(processes));
  }

  private static WitnessedProcess process(int pid, long refusals) {
    return new WitnessedProcess(
        pid, "p", 0, refusals, 0, 0, OptionalLong.empty(), Optional.empty(), OptionalLong.empty());
  }
}
