package io.memguard.platform.cgroup;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.platform.cgroup.Headroom.Reading;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** How much room there is, read from the files of real machines. */
@Tag("engine-independent")
final class HeadroomTest {
  private static final long MIB = 1L << 20;
  private static final Reserve RESERVE = Reserve.exactly(10 * MIB);
  private static final String CONTAINER = "/sys/fs/cgroup/";
  private static final String V1 = "/sys/fs/cgroup/memory/docker/";

  @TempDir Path root;

  @Test
  void isTheLimitLessWhatIsInUse() {
    CapturedTree tree = container().with(CONTAINER + "memory.current", 30 * MIB + "\n");
    tree.with(CONTAINER + "memory.stat", "anon 1\nfile 1\n");
    Reading reading = look(tree).orElseThrow();
    assertThat(reading).isEqualTo(new Reading(70 * MIB, RESERVE, 100 * MIB, "cgroup /"));
  }

  /** The kernel's own estimate for a machine, as docs/headroom.md tells. */
  @Test
  void pageCacheCanBeGivenBackButForWhatIsNeededToGoOn() {
    CapturedTree tree = container().with(CONTAINER + "memory.current", 90 * MIB + "\n");
    tree.with(
        CONTAINER + "memory.stat",
        "active_file_x 1\ninactive_file %d\nactive_file %d\n".formatted(20 * MIB, 40 * MIB));
    assertThat(bytes(tree)).isEqualTo((100 - 90 + 60 - 10) * MIB);
    tree.with(CONTAINER + "memory.stat", "inactive_file %d\nactive_file 0\n".formatted(8 * MIB));
    assertThat(bytes(tree)).isEqualTo((100 - 90 + 8 - 4) * MIB);
  }

  @Test
  void isThatOfTheLevelThatHasLeast() {
    CapturedTree tree = CapturedTree.unpack("v2-container-from-the-host", root);
    String pod = "/sys/fs/cgroup/kubepods/pod-c911/";
    tree.with(pod + "memory.current", 78 * MIB + "\n");
    assertThat(look(tree).orElseThrow())
        .isEqualTo(new Reading(2 * MIB, RESERVE, 80 * MIB, "cgroup /kubepods/pod-c911"));
    tree.with(pod + "c911/memory.current", 99 * MIB + "\n");
    assertThat(look(tree).orElseThrow().setBy()).isEqualTo("cgroup /kubepods/pod-c911/c911");
  }

  @Test
  void aLimitThatIsChangedMeanwhileCounts() {
    CapturedTree tree = container().with(CONTAINER + "memory.stat", "");
    tree.with(CONTAINER + "memory.current", 30 * MIB + "\n");
    try (Headroom headroom = headroom(tree)) {
      assertThat(headroom.look().orElseThrow().bytes()).isEqualTo(70 * MIB);
      tree.with(CONTAINER + "memory.max", 50 * MIB + "\n");
      assertThat(headroom.look().orElseThrow().bytes()).isEqualTo(20 * MIB);
      tree.with(CONTAINER + "memory.max", "max\n");
      assertThat(headroom.look()).as("no machine's figures in this capture").isEmpty();
    }
  }

  @Test
  void isNegativeWhereMoreIsInUseThanAllowed() {
    CapturedTree tree = container().with(CONTAINER + "memory.stat", "");
    tree.with(CONTAINER + "memory.current", 101 * MIB + "\n");
    assertThat(bytes(tree)).isEqualTo(-MIB);
  }

  @Test
  void whatFitsIntoSwapCanBeGivenBackToo() {
    CapturedTree tree = container().with(CONTAINER + "memory.stat", "");
    tree.with(CONTAINER + "memory.current", 95 * MIB + "\n")
        .with(CONTAINER + "memory.swap.max", 20 * MIB + "\n")
        .with(CONTAINER + "memory.swap.current", 5 * MIB + "\n")
        .with("/proc/meminfo", "MemTotal: 1493876 kB\nSwapTotal: 40960 kB\nSwapFree: 40960 kB\n");
    assertThat(bytes(tree)).isEqualTo((100 - 95 + 15) * MIB);
    tree.with(CONTAINER + "memory.swap.max", "0\n");
    assertThat(bytes(tree)).isEqualTo(5 * MIB);
  }

  @Test
  void onV1AllBelowCounts() {
    CapturedTree tree =
        CapturedTree.unpack("v1-docker", root)
            .with(V1 + "memory.limit_in_bytes", 40 * MIB + "\n")
            .with(V1 + "memory.usage_in_bytes", 35 * MIB + "\n")
            .with(
                V1 + "memory.stat",
                "inactive_file 0\ntotal_inactive_file %d\ntotal_active_file 0\n".formatted(4 * MIB))
            .with(
                "/proc/meminfo",
                "MemTotal: 4194304 kB\nSwapTotal: 999999 kB\nSwapFree: 999999 kB\n");
    Reading reading = look(tree).orElseThrow();
    assertThat(reading.setBy()).isEqualTo("cgroup /docker");
    assertThat(reading.bytes()).isEqualTo((40 - 35 + 4 - 2) * MIB);
  }

  @ParameterizedTest
  @ValueSource(strings = {"v2-not-mounted", "v2-landed-in-system-slice"})
  void withoutALimitItIsTheMachines(String capture) {
    CapturedTree tree =
        CapturedTree.unpack(capture, root)
            .with("/proc/meminfo", "MemTotal:  2048 kB\nMemFree: 1 kB\nMemAvailable:   1024 kB\n");
    assertThat(look(tree)).contains(new Reading(MIB, RESERVE, 2 * MIB, "the machine"));
  }

  @Test
  void aLimitAboveTheMachinesSizeBindsNobody() {
    CapturedTree tree =
        container().with("/proc/meminfo", "MemTotal:  2048 kB\nMemAvailable:   1024 kB\n");
    assertThat(look(tree).orElseThrow().setBy()).isEqualTo("the machine");
  }

  @Test
  void afterItsCloseNothingIsKnown() {
    Headroom headroom = headroom(container());
    headroom.close();
    assertThat(headroom.look()).isEmpty();
  }

  @Test
  void thisProcessIsKilledAlongWhereItsContainerIsKilledAsAWhole() {
    assertThat(Headroom.groupKill(container().search()))
        .contains("cgroup / has memory.oom.group set, and cgroup / a limit of 100MiB");
    assertThat(
            Headroom.groupKill(
                CapturedTree.unpack("v2-after-group-kill", root.resolve("above")).search()))
        .as("the limit is the pod's")
        .contains("cgroup /pod/app has memory.oom.group set, and cgroup /pod a limit of 30MiB");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "v2-container-writable",
        "v2-after-oom",
        "v1-docker",
        "v2-plain",
        "v2-not-mounted"
      })
  void elsewhereItIsNot(String capture) {
    assertThat(Headroom.groupKill(CapturedTree.unpack(capture, root).search())).isEmpty();
  }

  /** The kernel looks no further up than the cgroup whose limit it is. */
  @Test
  void aGroupAboveTheLimitDoesNotMatter() {
    CapturedTree tree =
        CapturedTree.unpack("v2-before-oom", root)
            .with("/sys/fs/cgroup/pod/app/memory.max", 20 * MIB + "\n")
            .with("/sys/fs/cgroup/pod/memory.max", "max\n")
            .with("/sys/fs/cgroup/pod/memory.oom.group", "1\n");
    assertThat(Headroom.groupKill(tree.search())).isEmpty();
  }

  private CapturedTree container() {
    return CapturedTree.unpack("v2-container-read-only", root);
  }

  private static Headroom headroom(CapturedTree tree) {
    return new Headroom(tree.machine(), tree.search(), limit -> RESERVE);
  }

  private static Optional<Reading> look(CapturedTree tree) {
    try (Headroom headroom = headroom(tree)) {
      return headroom.look();
    }
  }

  private static long bytes(CapturedTree tree) {
    return look(tree).orElseThrow().bytes();
  }
}
