package io.memguard.platform.cgroup;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
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
  private static final String MACHINES = "/proc/pressure/memory";

  @TempDir Path root;

  @ParameterizedTest
  @CsvSource({"2, 300000, true", "2, 299999, false", "4, 300000, false", "4, 600000, true"})
  void roseIfSomeWaitedForThreeOfTwentyParts(int seconds, long micros, boolean rose) {
    CapturedTree tree = tree(1000);
    try (Pressure pressure = new Pressure(tree.machine(), tree.search())) {
      assertThat(pressure.rose(0)).as("what was before is not known").isFalse();
      waited(tree, FILE, 1000 + micros);
      assertThat(pressure.rose(TimeUnit.MILLISECONDS.toNanos(1999))).as("not yet").isFalse();
      assertThat(pressure.rose(TimeUnit.SECONDS.toNanos(seconds))).isEqualTo(rose);
      assertThat(pressure.rose(TimeUnit.SECONDS.toNanos(2L * seconds))).as("no more").isFalse();
    }
  }

  @Test
  void onCgroupV1ItIsTheMachines() {
    CapturedTree tree = waited(CapturedTree.unpack("v1-docker", root), MACHINES, 0);
    try (Pressure pressure = new Pressure(tree.machine(), tree.search())) {
      assertThat(pressure.rose(0)).isFalse();
      waited(tree, MACHINES, 300_000);
      assertThat(pressure.rose(TimeUnit.SECONDS.toNanos(2))).isTrue();
    }
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
    return waited(CapturedTree.unpack("v2-container-read-only", root), FILE, total);
  }

  private static CapturedTree waited(CapturedTree tree, String file, long micros) {
    return tree.with(
        file,
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=%d\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=9\n"
            .formatted(micros));
  }
}
