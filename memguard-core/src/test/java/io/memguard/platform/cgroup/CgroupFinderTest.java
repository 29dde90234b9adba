package io.memguard.platform.cgroup;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.platform.cgroup.CgroupSearch.NotFound;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The cgroup that accounts a process's memory is found on captured machines of every kind. */
@Tag("engine-independent")
class CgroupFinderTest {
  private static final String SELF = "/proc/self/cgroup";
  private static final String MOUNTS = "/proc/self/mountinfo";

  @TempDir Path root;

  @ParameterizedTest
  @CsvSource(
      nullValues = "-",
      textBlock =
          """
          # capture                    , own first, highest last                     , directory of the own
          v2-plain                     , /lab | /                                    , /sys/fs/cgroup/lab
          v2-namespace-old-mount       , / | /.. | /../..                            , /sys/fs/cgroup/a/b
          v2-namespace-sees-outside    , /                                           , /sys/fs/cgroup
          v2-bind-mounted-read-only    , /a/b                                        , /sys/fs/cgroup
          v2-odd-names                 , /odd:name/with space | /odd:name | /        , /sys/fs/cgroup/odd:name/with space
          v2-odd-mount-point           , /odd:name/with space | /odd:name            , /run/x y/with space
          v2-container-read-only       , /                                           , /sys/fs/cgroup
          v2-container-writable        , /                                           , /sys/fs/cgroup
          v1-docker                    , /docker/abc | /docker | /                   , /sys/fs/cgroup/memory/docker/abc
          v1-container-bind-mounted    , /docker/abc                                 , /sys/fs/cgroup/memory
          v1-namespace                 , /                                           , /sys/fs/cgroup/memory
          hybrid                       , /docker/abc | /docker | /                   , /sys/fs/cgroup/memory/docker/abc
          hybrid-v1-each-controller    , /jobs/0a1b2c | /jobs | /                    , /sys/fs/cgroup/memory/jobs/0a1b2c
          """)
  void findsTheWholeVisibleAncestry(String capture, String paths, String directory) {
    CapturedTree tree = CapturedTree.unpack(capture, root);

    Ancestry ancestry = tree.ancestry();

    assertThat(paths(ancestry)).containsExactly(paths.split(" \\| ", -1));
    assertThat(ancestry.own().directory()).isEqualTo(tree.at(directory));
    assertThat(ancestry.own())
        .isInstanceOf(capture.startsWith("v2") ? CgroupV2.class : CgroupV1.class);
  }

  @ParameterizedTest
  @CsvSource(
      textBlock =
          """
          v2-container-read-only    , a cgroup namespace hides what is above /sys/fs/cgroup
          v2-container-writable     , a cgroup namespace hides what is above /sys/fs/cgroup
          v2-namespace-sees-outside , a cgroup namespace hides what is above /sys/fs/cgroup
          v1-namespace              , a cgroup namespace hides what is above /sys/fs/cgroup/memory
          v2-bind-mounted-read-only , /sys/fs/cgroup shows only what is below cgroup /a/b
          v1-container-bind-mounted , /sys/fs/cgroup/memory shows only what is below cgroup /docker/abc
          v2-odd-mount-point        , /run/x y shows only what is below cgroup /odd:name
          """)
  void saysThatAncestorsAreHidden(String capture, String why) {
    assertThat(CapturedTree.unpack(capture, root).ancestry().hiddenAncestors()).contains(why);
  }

  @ParameterizedTest
  @CsvSource({"v2-plain", "v2-namespace-old-mount", "v1-docker", "hybrid", "systemd-scope"})
  void saysThatNoneAreHidden(String capture) {
    assertThat(CapturedTree.unpack(capture, root).ancestry().hiddenAncestors()).isEmpty();
  }

  @Test
  void aContainerLooksLongerFromTheMachine() {
    assertThat(paths(CapturedTree.unpack("v2-container-from-the-host", root).ancestry()))
        .satisfiesExactly(
            own -> assertThat(own).matches("/kubepods/pod-(c\\d+)/\\1"),
            pod -> assertThat(pod).startsWith("/kubepods/pod-"),
            kubepods -> assertThat(kubepods).isEqualTo("/kubepods"),
            top -> assertThat(top).isEqualTo("/"));
  }

  @Test
  void aNamelessLevelIsTheOneThatHoldsTheProcess() {
    CapturedTree tree = CapturedTree.unpack("v2-namespace-old-mount", root);
    for (String stranger : List.of("/0/0", "/a/0", "/a/z", "/z/b")) {
      tree.with("/sys/fs/cgroup" + stranger + "/cgroup.procs", "4711\n");
    }

    assertThat(tree.ancestry().own().directory()).isEqualTo(tree.at("/sys/fs/cgroup/a/b"));
  }

  @Test
  void aRuntimeUnderSystemSliceIsNotInItsPod() {
    Ancestry runtime = CapturedTree.unpack("v2-landed-in-system-slice", root).ancestry();
    Path elsewhere = root.resolve("other");
    Ancestry pod = CapturedTree.unpack("v2-pod-slice-finite-leaf-max", elsewhere).ancestry();

    assertThat(paths(runtime))
        .containsExactly("/system.slice/containerd.service", "/system.slice", "/");
    assertThat(pod.parent())
        .map(Cgroup::path)
        .hasValueSatisfying(path -> assertThat(path).contains("pod1b2c"));
  }

  @Test
  void aProcessOutsideOfOurNamespaceIsNotVisible() {
    CapturedTree tree = CapturedTree.unpack("v2-namespace-sees-outside", root);

    assertThat(reason(CgroupFinder.find(tree.machine(), 799)))
        .isEqualTo("cgroup /../../lab is not visible at /sys/fs/cgroup (which shows /)");
  }

  @Test
  void aProcessBesideUsIsFoundByItsPid() {
    CapturedTree tree =
        CapturedTree.unpack("v2-plain", root)
            .with("/proc/77/cgroup", "0::/lab/child\n")
            .with("/sys/fs/cgroup/lab/child/cgroup.procs", "77\n");

    CgroupSearch found = CgroupFinder.find(tree.machine(), 77);

    assertThat(found.levels()).extracting(Cgroup::path).containsExactly("/lab/child", "/lab", "/");
  }

  @Test
  void aProcessThatHasEndedIsSaidToHave() {
    assertThat(reason(CgroupFinder.find(CapturedTree.unpack("v2-plain", root).machine(), 4711)))
        .startsWith("/proc/4711/cgroup cannot be read: the process has ended");
  }

  @Test
  void noCgroupfsIsSaidWithWhatToDo() {
    assertThat(reason(CapturedTree.unpack("v2-not-mounted", root).search()))
        .isEqualTo(
            "cgroup v2 is not mounted here; mount it, usually at /sys/fs/cgroup (read-only is enough)");
  }

  @Test
  void aHybridMachineWhoseMemoryHierarchyIsNotMountedDoesNotFallBackToV2() {
    CapturedTree tree =
        CapturedTree.unpack("hybrid", root).edit(MOUNTS, "cgroup rw,memory", "cgroup rw,pids");

    assertThat(reason(tree.search()))
        .startsWith("the cgroup v1 memory controller is not mounted here");
  }

  @Test
  void v2WithoutTheMemoryControllerAccountsNoMemory() {
    CapturedTree tree = CapturedTree.unpack("hybrid", root).with(SELF, "0::/docker/abc\n");

    assertThat(reason(tree.search()))
        .startsWith("cgroup v2 is mounted at /sys/fs/cgroup/unified but has no memory controller");
  }

  @Test
  void aRemovedCgroupIsSaidToBe() {
    CapturedTree tree = CapturedTree.unpack("v2-plain", root).with(SELF, "0::/gone (deleted)\n");

    assertThat(reason(tree.search())).isEqualTo("cgroup /gone (deleted) has been removed");
  }

  @Test
  void anOverlongPathIsAReasonAndNoError() {
    String tooLong = "/0123456789".repeat(1000);
    CapturedTree tree = CapturedTree.unpack("v2-plain", root).with(SELF, "0::" + tooLong + "\n");

    assertThat(reason(tree.search())).contains("(11000 characters)").hasSizeLessThan(400);
  }

  @Test
  void controllersMountedTogetherAreOne() {
    CapturedTree tree =
        CapturedTree.unpack("v1-docker", root)
            .with(SELF, "5:cpu,memory:/docker/abc\n3:name=systemd:/x:y\n")
            .edit(MOUNTS, "cgroup rw,memory", "cgroup rw,cpu,memory");

    assertThat(paths(tree.ancestry())).containsExactly("/docker/abc", "/docker", "/");
  }

  @Test
  void aNamedHierarchyCalledMemoryIsNone() {
    CapturedTree tree =
        CapturedTree.unpack("hybrid", root).edit(SELF, "1:memory:/docker/abc", "1:name=memory:/");

    assertThat(reason(tree.search())).contains("has no memory controller");
  }

  @Test
  void theMountThatShowsMostIsTaken() {
    CapturedTree tree = CapturedTree.unpack("v2-plain", root);
    tree.with(
            MOUNTS,
            """
            50 19 0:26 /lab /mnt rw - cgroup2 cgroup2 rw
            29 19 0:26 / /sys/fs/cgroup ro,relatime shared:4 master:1 - cgroup2 cgroup2 rw
            """)
        .with("/mnt/cgroup.procs", "");

    assertThat(tree.ancestry().mount().point()).isEqualTo("/sys/fs/cgroup");
    assertThat(tree.ancestry().mount().readOnly()).isTrue();
  }

  @Test
  void ofTwoMountsThatShowTheSameTheWritableIsTaken() {
    CapturedTree tree = CapturedTree.unpack("v2-container-read-only", root);
    tree.with(
        MOUNTS,
        """
        59 58 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup2 rw
        60 59 0:26 / /rw rw - cgroup2 cgroup2 rw
        61 59 0:26 / /ro ro - cgroup2 cgroup2 rw
        """);
    tree.with("/ro/cgroup.procs", "");
    tree.with("/rw/cgroup.procs", "").with("/rw/cgroup.controllers", "memory\n");

    assertThat(tree.ancestry().mount().point()).isEqualTo("/rw");
  }

  @Test
  void aSandboxThatTellsAnotherPathThanItMountsIsBelieved() {
    // As docker with --cgroupns=host and a private mount, and gVisor's own /proc, show it.
    CapturedTree tree =
        CapturedTree.unpack("v2-container-read-only", root)
            .with(SELF, "0::/kubepods/burstable/pod1/c1\n");
    tree.with("/sys/fs/cgroup/cgroup.procs", "1\n42\n").with("/proc/self/stat", "42 (java) S 1\n");

    assertThat(tree.ancestry().own().directory()).isEqualTo(tree.at("/sys/fs/cgroup"));
    assertThat(tree.ancestry().levels()).hasSize(1);
  }

  @Test
  void theMachineWeRunOnHasAnAnswer() {
    CgroupSearch own = CgroupFinder.findOwn(Machine.here());

    assertThat(own)
        .satisfiesAnyOf(
            found -> assertThat(found.levels()).isNotEmpty(),
            missing -> assertThat(reason(missing)).isNotBlank());
  }

  private static List<String> paths(Ancestry ancestry) {
    return ancestry.levels().stream().map(Cgroup::path).toList();
  }

  private static String reason(CgroupSearch search) {
    assertThat(search).isInstanceOf(NotFound.class);
    return ((NotFound) search).reason();
  }
}
