package io.memguard.platform.cgroup;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Whether processes wait for memory, from the kernel's total. */
@Tag("engine-independent")
final class PressureTest {
  private static final String FILE = "/sys/fs/cgroup/memory.pressure";

  @TempDir Path root;

  @ParameterizedTest
  @CsvSource({"2, 300000, true", "2, 299999, false", "4, 300000, false", "4, 600000, true"})
  void roseIfSomeWaitedForThreeOfTwentyParts(int seconds, long micros, boolean rose) {
    CapturedTree tree = tree(1000);
    try (Pressure pressure = new Pressure(tree.machine(), tree.search())) {
      assertThat(pressure.rose(0)).as("what was before is not known").isFalse();
      waited(tree, 1000 + micros);
      assertThat(pressure.rose(TimeUnit.MILLISECONDS.toNanos(1999))).as("not yet").isFalse();
      assertThat(pressure.rose(TimeUnit.SECONDS.toNanos(seconds))).isEqualTo(rose);
      assertThat(pressure.rose(TimeUnit.SECONDS.toNanos(2L * seconds))).as("no more").isFalse();
    }
  }

  @Test
  void theLatestIsThatOfTheLastTenSeconds() {
    String text = "some avg10=12.50 avg60=3.00 avg300=0.10 total=9\nfull avg10=1.00 avg60=0.00";
    CapturedTree tree = tree(0).with(FILE, text);
    assertThat(Pressure.latest(Optional.empty(), tree.machine(), tree.search())).hasValue(0.125);
    CapturedTree without = tree.without(FILE);
    assertThat(Pressure.latest(Optional.empty(), without.machine(), without.search())).isEmpty();
  }

  @Test
  void withoutPsiThereIsNone() {
    CapturedTree tree = tree(0).without(FILE);
    try (Pressure pressure = new Pressure(tree.machine(), tree.search())) {
      assertThat(pressure.rose(0)).isFalse();
      assertThat(pressure.rose(TimeUnit.SECONDS.toNanos(9))).isFalse();
    }
  }

  @Test
  void whatCannotBeUnderstoodIsNone() {
    CapturedTree tree = tree(0).with(FILE, "");
    try (Pressure pressure = new Pressure(tree.machine(), tree.search())) {
      assertThat(pressure.rose(0)).isFalse();
    }
  }

  private CapturedTree tree(long total) {
    CapturedTree tree = CapturedTree.unpack("v2-container-read-only", root);
    waited(tree, total);
    return tree;
  }

  private static void waited(CapturedTree tree, long micros) {
    tree.with(
        FILE,
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=%d\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9\n"
            .formatted(micros));
  }
}
