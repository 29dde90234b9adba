package io.memguard.platform.cgroup;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.doctor.Cgroups;
import io.memguard.doctor.Cgroups.GroupKill;
import io.memguard.doctor.Cgroups.Version;
import io.memguard.doctor.Surroundings.Pressure;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What captured machines' cgroups say, all at once. */
@Tag("engine-independent")
class CgroupTableTest {
  private static final long MIB = 1 << 20;

  @TempDir Path root;

  @ParameterizedTest
  @CsvSource({
    "v2-container-read-only, V2, true, 1",
    "v2-container-writable, V2, false, 1",
    "v2-pod-slice-finite-leaf-max, V2, false, 5",
    "v1-docker, V1, false, 3",
    "hybrid, HYBRID, false, 3",
    "v2-not-mounted, NONE, false, 0",
  })
  void theKindAndTheLevels(String capture, Version version, boolean readOnly, int levels) {
    Cgroups cgroups = table(CapturedTree.unpack(capture, root));

    assertThat(cgroups.version()).isEqualTo(version);
    assertThat(cgroups.readOnly()).isEqualTo(readOnly);
    assertThat(cgroups.levels()).hasSize(levels);
  }

  @Test
  void aContainersLimitItsGroupAndThatMoreIsHidden() {
    Cgroups cgroups = table(CapturedTree.unpack("v2-container-read-only", root));

    assertThat(cgroups.levels().get(0).path()).isEqualTo("/");
    assertThat(cgroups.levels().get(0).maxBytes()).hasValue(100 * MIB);
    assertThat(cgroups.levels().get(0).oomGroup()).hasValue(true);
    assertThat(cgroups.hidden()).hasValueSatisfying(why -> assertThat(why).contains("namespace"));
    assertThat(cgroups.groupKill())
        .hasValue(new GroupKill("/", Optional.of("/"), OptionalLong.of(100 * MIB)));
  }

  @Test
  void aGroupIsKnownWithoutALimitToo() {
    CapturedTree tree =
        CapturedTree.unpack("v2-container-read-only", root)
            .with("/sys/fs/cgroup/memory.max", "max\n");

    assertThat(table(tree).groupKill())
        .hasValue(new GroupKill("/", Optional.empty(), OptionalLong.empty()));
    assertThat(Headroom.groupKill(tree.search())).as("at no limit that is seen").isEmpty();
  }

  @Test
  void pressureIsThatOfItsOwnCgroupOrTheMachines() {
    CapturedTree tree =
        CapturedTree.unpack("v2-container-read-only", root)
            .with("/proc/pressure/memory", "some avg10=3.00 avg60=0.00 avg300=0.00 total=1\n");
    assertThat(pressure(tree)).hasValue(new Pressure("/proc/pressure/memory", 3, 0));

    tree.with(
        "/sys/fs/cgroup/memory.pressure",
        """
        some avg10=1.25 avg60=0.00 avg300=0.00 total=1
        full avg10=0.50 avg60=0.00 avg300=0.00 total=1
        """);
    assertThat(pressure(tree).orElseThrow().fullAvg10()).isEqualTo(0.5);

    tree.with("/sys/fs/cgroup/leaf/memory.pressure", "some avg10=7.00 total=1\n");
    Leaf leaf = new Leaf(tree.ancestry().own().child("leaf"), LeafLimits.NONE);
    assertThat(CgroupTable.pressure(tree.machine(), Optional.of(leaf), tree.search()).orElseThrow())
        .extracting(Pressure::someAvg10)
        .isEqualTo(7.0);

    tree.with("/sys/fs/cgroup/memory.pressure", "").without("/proc/pressure/memory");
    assertThat(pressure(tree)).isEmpty();
  }

  @Test
  void onCgroupV1PressureIsTheMachines() {
    CapturedTree tree =
        CapturedTree.unpack("v1-docker", root)
            .with("/proc/pressure/memory", "some avg10=12.50 avg60=0.00 avg300=0.00 total=1\n");

    assertThat(pressure(tree)).hasValue(new Pressure("/proc/pressure/memory", 12.5, 0));
  }

  private static Optional<Pressure> pressure(CapturedTree tree) {
    return CgroupTable.pressure(tree.machine(), Optional.empty(), tree.search());
  }

  private static Cgroups table(CapturedTree tree) {
    return CgroupTable.of(tree.machine(), tree.search());
  }
}
