package io.memguard.platform.cgroup;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;
import java.util.OptionalLong;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which of the limits that were asked for a leaf can have, and why not the others. */
@Tag("engine-independent")
class LeafLimitsTest {
  private static final LeafLimits ALL =
      new LeafLimits(OptionalLong.of(9 << 20), OptionalLong.of(5 << 20), OptionalInt.of(7));

  @TempDir Path root;

  @Test
  void v2HasAllWhereBothControllersAre() {
    assertThat(lacking(CapturedTree.unpack("v2-container-writable", root), ALL)).isEmpty();
  }

  @Test
  void v2WithoutThePidsControllerSaysWhatToDo() {
    CapturedTree tree =
        CapturedTree.unpack("v2-container-writable", root)
            .with("/sys/fs/cgroup/cgroup.controllers", "cpu memory\n");

    assertThat(lacking(tree, ALL))
        .singleElement()
        .asString()
        .startsWith("pids.max 7 needs the pids controller, which cgroup / was not given")
        .contains("write +pids into cgroup.subtree_control of the cgroup above");
  }

  @Test
  void nobodyMissesTheControllerWhoDidNotAskForPids() {
    CapturedTree tree =
        CapturedTree.unpack("v2-container-writable", root)
            .with("/sys/fs/cgroup/cgroup.controllers", "memory\n");
    LeafLimits memory = new LeafLimits(OptionalLong.of(9), OptionalLong.of(5), OptionalInt.empty());

    assertThat(lacking(tree, memory)).isEmpty();
  }

  @Test
  void v1HasNeither() {
    assertThat(lacking(CapturedTree.unpack("v1-docker", root), ALL))
        .satisfiesExactly(
            high ->
                assertThat(high)
                    .isEqualTo("memory.high 5242880 does not exist on cgroup v1; use v2"),
            pids -> assertThat(pids).startsWith("pids.max 7 belongs to a hierarchy of its own"));
    assertThat(lacking(CapturedTree.unpack("v1-docker", root), LeafLimits.NONE)).isEmpty();
  }

  private static List<String> lacking(CapturedTree tree, LeafLimits limits) {
    return tree.ancestry().own().lacking(limits);
  }
}
