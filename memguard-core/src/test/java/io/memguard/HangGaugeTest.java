package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.platform.procfs.Activity;
import java.time.Duration;
import java.util.Map;
import java.util.OptionalLong;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Who hangs, told with activities and a clock that are played. */
@Tag("engine-independent")
final class HangGaugeTest {
  private static final long SECOND = Duration.ofSeconds(1).toNanos();
  private static final long TICK = SECOND / 100;
  private static final int GRACE = 30;

  private final HangGauge gauge = new HangGauge(GRACE * SECOND);
  private long now = Long.MAX_VALUE - 5 * SECOND; // it may pass the end of the numbers
  private long refusals = 1;
  private Map<Long, Long> processes = Map.of(100L, 7L);
  private long cpu = 40 * TICK;
  private OptionalLong io = OptionalLong.of(1000);
  private boolean held;

  @Test
  void whoDoesNothingForItsGraceHangs() {
    assertThat(firstHung()).isEqualTo(GRACE);
  }

  @Test
  void itCountsFromTheLastRefusal() {
    look(20);
    refusals++;
    assertThat(firstHung()).isEqualTo(GRACE);
  }

  @Test
  void aByteOrACallOfIoIsProgress() {
    look(20);
    io = OptionalLong.of(io.getAsLong() + 1);
    assertThat(firstHung()).isEqualTo(GRACE);
  }

  @Test
  void aProcessMoreOrLessIsProgress() {
    look(20);
    processes = Map.of(100L, 7L, 101L, 8L);
    look(20);
    processes = Map.of(100L, 7L);
    look(20);
    processes = Map.of(100L, 9L); // its pid again, and another process
    assertThat(firstHung()).isEqualTo(GRACE);
  }

  @Test
  void whoHasWorkedForAsLongHasSurvivedTheRefusal() {
    for (int second = 0; second <= GRACE; second++) {
      io = OptionalLong.of(io.getAsLong() + 1);
      look(1);
    }
    assertThat(look(10 * GRACE)).isFalse();
    refusals++;
    assertThat(firstHung()).isEqualTo(GRACE);
  }

  @Test
  void whoMayGoOnIsWaitedForAgain() {
    firstHung();
    gauge.startAfresh(activity());
    assertThat(look(GRACE - 1)).isFalse();
    assertThat(look(1)).isTrue();
  }

  @Test
  void whoIsStoppedDoesNotHang() {
    held = true;
    assertThat(look(10 * GRACE)).isFalse();
    held = false;
    assertThat(firstHung()).isEqualTo(GRACE - 1); // since it was last seen stopped
  }

  /** In hundredths of a CPU. */
  @ParameterizedTest
  @ValueSource(ints = {2, 5, 100})
  void whoWorksALittleDoesNotHang(int percent) {
    for (int second = 0; second < 10 * GRACE; second++) {
      cpu += percent * TICK;
      assertThat(look(1)).isFalse();
    }
  }

  @Test
  void whoOnlyTicksHangs() {
    int second = 0;
    boolean hung = false;
    for (; !hung && second < 2 * GRACE; second++) {
      cpu += second % 3 == 0 ? TICK : 0; // a JVM's own threads
      hung = look(1);
    }
    assertThat(hung).isTrue();
    assertThat(second - 1).isEqualTo(GRACE);
  }

  @Test
  void whereIoIsNotKnownItHasTwiceTheTime() {
    io = OptionalLong.empty();
    assertThat(firstHung()).isEqualTo(2 * GRACE);
  }

  /** The JVM was stopped, and the child with it. */
  @Test
  void timeInWhichNobodyLookedIsNotHeldAgainstIt() {
    look(3);
    now += 3600 * SECOND;
    assertThat(gauge.look(now, refusals, activity())).isFalse();
    assertThat(firstHung()).isGreaterThan(GRACE - 10);
  }

  @Test
  void aVeryLongGraceIsNeverOver() {
    HangGauge patient = new HangGauge(Long.MAX_VALUE);
    io = OptionalLong.empty();
    for (int second = 0; second < 1000; second++) {
      now += SECOND;
      assertThat(patient.look(now, 1, activity())).isFalse();
    }
  }

  /** Says after how many seconds more it hangs. */
  private int firstHung() {
    look(1);
    int seconds = 1;
    while (!look(1)) {
      seconds++;
      assertThat(seconds).isLessThan(10 * GRACE);
    }
    return seconds;
  }

  private boolean look(int seconds) {
    boolean hung = false;
    for (int i = 0; i < seconds; i++) {
      now += SECOND;
      hung = gauge.look(now, refusals, activity());
    }
    return hung;
  }

  private Activity activity() {
    return new Activity(processes, cpu, io, held);
  }
}
