package io.memguard.platform.cgroup;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.function.LongFunction;
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
  void beforeAllIsKilledAtOnceItIsFrozenAndNobodyElseIsKilled() throws Exception {
    Path directory = Files.createDirectory(root.resolve("leaf"));
    Path frozen = Files.writeString(directory.resolve("cgroup.freeze"), "0");
    Path procs = directory.resolve("cgroup.procs");
    Process first = sleep();
    Process ended = sleep(); // what has its pid when it is to be killed
    Process forked = sleep();
    try {
      Files.writeString(procs, first.pid() + "\n" + ended.pid() + "\n");
      List<String> found = new ArrayList<>();
      LongFunction<Optional<ProcessHandle>> find =
          pid -> {
            found.add(pid + " while " + KernelFile.text(frozen).orElse(""));
            if (pid == ended.pid()) {
              says(procs, first.pid() + "\n" + forked.pid() + "\n");
            }
            return ProcessHandle.of(pid);
          };
      assertThat(v2().remove(find)).isFalse();
      assertThat(found)
          .containsExactly(
              first.pid() + " while 1", ended.pid() + " while 1", forked.pid() + " while 1");
      assertThat(frozen).hasContent("0");
      assertThat(first.waitFor()).isEqualTo(137);
      assertThat(forked.waitFor()).isEqualTo(137);
      assertThat(ended.isAlive()).isTrue();
    } finally {
      List.of(first, ended, forked).forEach(Process::destroyForcibly);
    }
  }

  @Test
  void whatJvmsThatAreGoneLeftInScopesBesideIsFoundToo() throws Exception {
    LeafName own = LeafName.next();
    LeafName gone = new LeafName(own.namespace(), 1 << 30, own.start(), 1);
    for (String path : List.of("memguard-804.scope", "memguard-754.scope", "run-r1.scope")) {
      Files.createDirectories(root.resolve("slice").resolve(path).resolve(gone.toString()));
      Files.createDirectories(root.resolve("slice").resolve(path).resolve(own.toString()));
    }
    Cgroup home =
        new CgroupV2("/slice/memguard-804.scope", root.resolve("slice/memguard-804.scope"), false);

    assertThat(Leaf.abandoned(new LeafPlace(home, Optional.empty(), false)))
        .extracting(leaf -> leaf.cgroup().path(), leaf -> root.relativize(leaf.directory()))
        .containsExactly(
            tuple("/slice/memguard-804.scope/" + gone, Path.of("slice/memguard-804.scope/" + gone)),
            tuple(
                "/slice/memguard-754.scope/" + gone, Path.of("slice/memguard-754.scope/" + gone)));
  }

  @Test
  void whereTheKernelDoesNotAccountSwapItIsSaidThatMemoryMayGoThere() throws Exception {
    Files.createDirectory(root.resolve("leaf"));
    LeafLimits limits =
        new LeafLimits(OptionalLong.of(9 << 20), OptionalLong.empty(), OptionalInt.empty());
    Leaf v2 = new Leaf(v2().cgroup(), limits);
    Leaf v1 = new Leaf(v1().cgroup(), limits);
    Machine machine = new Machine(root);
    says(root.resolve("proc/meminfo"), "MemTotal: 4096 kB\nSwapTotal: 0 kB\n");
    assertThat(v2.lacking(machine)).isEmpty();

    says(root.resolve("proc/meminfo"), "MemTotal: 4096 kB\nSwapTotal: 1024 kB\n");
    assertThat(v2.lacking(machine))
        .contains(
            "its memory may be swapped out before it is killed, since the kernel has no"
                + " memory.swap.max here; boot with swapaccount=1, or switch swap off");
    assertThat(v1.lacking(machine).orElseThrow()).contains("memory.memsw.limit_in_bytes");
    assertThat(v2().lacking(machine)).as("no limit on memory").isEmpty();

    says(root.resolve("leaf/memory.swap.max"), "0\n");
    says(root.resolve("leaf/memory.memsw.limit_in_bytes"), "9437184\n");
    assertThat(v2.lacking(machine)).isEmpty();
    assertThat(v1.lacking(machine)).isEmpty();
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

  private static Process sleep() throws IOException {
    return new ProcessBuilder("sleep", "1000").start();
  }

  private static void says(Path file, String text) {
    try {
      Files.writeString(file, text);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void own(String pids) throws IOException {
    Path self = Files.createDirectories(root.resolve("proc/self"));
    Files.writeString(self.resolve("status"), "Pid:\t1\nNSpid:\t" + pids + "\n");
  }

  private void says(String text) throws IOException {
    Path process = Files.createDirectories(root.resolve("proc").resolve("" + CHILD));
    Files.writeString(process.resolve("cgroup"), text);
  }

  /** What files and programs take of it, the kernel can drop; what is in tmpfs it cannot. */
  @Test
  void pageCacheIsNotHeld() throws Exception {
    assertThat(v2().heldBytes()).as("it is gone").isEmpty();
    Path leaf = Files.createDirectory(root.resolve("leaf"));
    says(leaf.resolve("memory.current"), "1000\n");
    says(leaf.resolve("memory.usage_in_bytes"), "2000\n");
    says(
        leaf.resolve("memory.stat"),
        """
        file 400
        shmem 100
        inactive_file 200
        active_file 100
        total_inactive_file 1200
        total_active_file 300
        """);
    assertThat(v2().heldBytes()).hasValue(700);
    assertThat(v1().heldBytes()).hasValue(500);
  }

  private Leaf v1() {
    return new Leaf(new CgroupV1("/app/leaf", root.resolve("leaf")), LeafLimits.NONE);
  }

  private Leaf v2() {
    return new Leaf(new CgroupV2("/app/leaf", root.resolve("leaf"), false), LeafLimits.NONE);
  }
}
