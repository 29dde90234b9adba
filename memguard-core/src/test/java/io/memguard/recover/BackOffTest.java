package io.memguard.recover;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;

final class BackOffTest {
  @Test
  void pausesDoubleFromTheSecondFailureOnUntilASuccess() {
    BackOff backOff = new BackOff();
    List<Long> millis = new ArrayList<>();
    for (int i = 0; i < 12; i++) {
      millis.add(TimeUnit.NANOSECONDS.toMillis(backOff.nanos()));
      backOff.failed();
    }
    assertThat(millis)
        .containsExactly(
            0L, 0L, 100L, 200L, 400L, 800L, 1600L, 3200L, 6400L, 12_800L, 12_800L, 12_800L);
    backOff.succeeded();
    assertThat(backOff.nanos()).isZero();
  }
}
