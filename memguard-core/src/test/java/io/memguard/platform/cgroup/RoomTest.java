package io.memguard.platform.cgroup;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is done where there is room already; that room can be made is shown in the lab. */
@Tag("engine-independent")
class RoomTest {
  private static final String CONTROL = "/sys/fs/cgroup/cgroup.subtree_control";

  @TempDir Path root;

  @Test
  void thePidsControllerIsEnabledToo() throws Exception {
    CapturedTree tree = handsOutMemory();
    assertThat(Room.make(tree.machine(), OptionalLong.empty(), false))
        .containsExactly("enabled the pids controller below /");
    assertThat(Files.readString(tree.at(CONTROL))).startsWith("+pids");
  }

  @Test
  void whereThePidsControllerCannotBeHandedOutThereIsRoomAllTheSame() throws Exception {
    CapturedTree tree = handsOutMemory();
    assertThat(
            Room.make(
                tree.machine(),
                OptionalLong.empty(),
                false,
                file -> !file.endsWith("cgroup.subtree_control")))
        .isEmpty();
    assertThat(tree.at(CONTROL)).hasContent("memory");
  }

  @Test
  void whatCannotBeUndoneIsSaid() {
    CapturedTree tree = handsOutMemory().with(CONTROL, "").with("/sys/fs/cgroup/cgroup.procs", "");
    assertThatIOException()
        .isThrownBy(
            () ->
                Room.make(
                    tree.machine(),
                    OptionalLong.empty(),
                    false,
                    file -> Files.exists(tree.without(CONTROL).at("/sys/fs/cgroup"))))
        .withMessageContaining("+pids was refused by " + tree.at(CONTROL) + ": it is not there")
        .withMessageContaining("; not undone: " + tree.at(CONTROL) + ": it is not there");
  }

  private CapturedTree handsOutMemory() {
    return CapturedTree.unpack("v2-container-writable", root)
        .with(CONTROL, "memory")
        .with("/sys/fs/cgroup/cgroup.threads", "");
  }
}
