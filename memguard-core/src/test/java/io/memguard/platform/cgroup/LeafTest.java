package io.memguard.platform.cgroup;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is known of who is, and was, in a leaf. */
@Tag("engine-independent")
class LeafTest {
  private static final long CHILD = 7;

  @TempDir Path root;

  @BeforeEach
  void showOurPids() throws IOException {
    own(Long.toString(ProcessHandle.current().pid()));
  }

  @Test
  void aProcessIsWhereTheKernelSays() throws Exception {
    says("4:memory:/app/leaf\n2:pids:/\n0::/\n");
    assertThat(v1().holds(new Machine(root), CHILD)).contains(true);
    says("4:memory:/app\n2:pids:/app/leaf\n0::/app/leaf\n");
    assertThat(v1().holds(new Machine(root), CHILD)).contains(false);

    says("0::/app/leaf\n");
    assertThat(v2().holds(new Machine(root), CHILD)).contains(true);
    says("0::/\n");
    assertThat(v2().holds(new Machine(root), CHILD)).contains(false);
  }

  /** See proc_cgroup_show in the kernel's kernel/cgroup/cgroup.c. */
  @Test
  void whereOneWasThatEndsIsNotKnownOnV1() throws Exception {
    says("4:memory:/\n2:pids:/\n0::/\n");
    assertThat(v1().holds(new Machine(root), CHILD)).isEmpty();
  }

  /** As after {@code unshare -fp} without {@code --mount-proc}. */
  @Test
  void whereProcShowsStrangersByOurPidsOnlyTheLeafTells() throws Exception {
    own("814\t" + ProcessHandle.current().pid());
    says("0::/app\n");
    assertThat(v2().holds(new Machine(root), CHILD)).as("a stranger's").isEmpty();
    Path procs = Files.createDirectory(root.resolve("leaf")).resolve("cgroup.procs");
    Files.writeString(procs, "5\n" + CHILD + "\n");
    assertThat(v2().holds(new Machine(root), CHILD)).contains(true);
  }

  @Test
  void nothingIsKnownOfOneThatIsGone() {
    assertThat(v1().holds(new Machine(root), CHILD)).isEmpty();
    assertThat(v2().holds(new Machine(root), CHILD)).isEmpty();
  }

  @Test
  void whoWasInItUsedMemory() throws Exception {
    assertThat(v2().wasUsed()).as("not known before Linux 5.19").isTrue();
    Path directory = Files.createDirectory(root.resolve("leaf"));
    Files.writeString(directory.resolve("memory.peak"), "0\n");
    assertThat(v2().wasUsed()).isFalse();
    Files.writeString(directory.resolve("memory.peak"), "4096\n");
    assertThat(v2().wasUsed()).isTrue();
    Files.writeString(directory.resolve("memory.max_usage_in_bytes"), "0\n");
    assertThat(v1().wasUsed()).isFalse();
  }

  @Test
  void thePeakIsTheKernels() {
    assertThat(CapturedTree.unpack("v2-after-oom", root).ancestry().levels().get(1).peak())
        .hasValue(30 << 20);
    assertThat(
            CapturedTree.unpack("v1-after-oom", root.resolve("v1"))
                .ancestry()
                .levels()
                .get(1)
                .peak())
        .hasValue(40 << 20);
  }

  private void own(String pids) throws IOException {
    Path self = Files.createDirectories(root.resolve("proc/self"));
    Files.writeString(self.resolve("status"), "Pid:\t1\nNSpid:\t" + pids + "\n");
  }

  private void says(String text) throws IOException {
    Path process = Files.createDirectories(root.resolve("proc").resolve("" + CHILD));
    Files.writeString(process.resolve("cgroup"), text);
  }

  private Leaf v1() {
    return new Leaf(new CgroupV1("/app/leaf", root.resolve("leaf")), LeafLimits.NONE);
  }

  private Leaf v2() {
    return new Leaf(new CgroupV2("/app/leaf", root.resolve("leaf"), false), LeafLimits.NONE);
  }
}
