package io.memguard.platform.cgroup;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.doctor.LeafRoom;
import java.nio.file.Path;
import java.util.function.Predicate;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** It is known before the first try whether a leaf can be made, and if not, why and what helps. */
@Tag("engine-independent")
class LeafPlaceTest {
  @TempDir Path root;

  @ParameterizedTest
  @CsvSource(
      textBlock =
          """
          v2-container-read-only    , READ_ONLY       , cgroups are mounted read-only at /sys/fs/cgroup
          v2-bind-mounted-read-only , READ_ONLY       , cgroups are mounted read-only at /sys/fs/cgroup
          v1-container-bind-mounted , READ_ONLY       , cgroups are mounted read-only at /sys/fs/cgroup/memory
          systemd-scope-delegated   , HOLDS_PROCESSES , holds processes itself
          v2-container-writable     , HOLDS_PROCESSES , holds processes itself
          v2-plain                  , HOLDS_PROCESSES , holds processes itself
          """)
  void namesTheObstacle(String capture, LeafRoom.Obstacle kind, String why) {
    LeafPlace place = ownPlace(CapturedTree.unpack(capture, root));

    assertThat(place.obstacle().orElseThrow().kind()).isEqualTo(kind);
    assertThat(place.obstacle().orElseThrow().why()).contains(why);
    assertThat(place.obstacle().orElseThrow().remedy()).isNotBlank();
  }

  @Test
  void whatMayBeSystemdsIsNotToBeChangedWithoutAsking() {
    assertThat(remedy("systemd-scope-delegated")).contains("Delegate=yes", "--systemd-scope");
    assertThat(remedy("v2-container-writable")).doesNotContain("systemd");
  }

  private String remedy(String capture) {
    LeafPlace place = ownPlace(CapturedTree.unpack(capture, root.resolve(capture)));
    return place.obstacle().orElseThrow().remedy();
  }

  @Test
  void v1NeedsNothingButTheDirectory() {
    CapturedTree tree = CapturedTree.unpack("v1-docker", root);

    assertThat(ownPlace(tree).obstacle()).isEmpty();
    assertThat(ownPlace(tree, file -> false).obstacle().orElseThrow().kind())
        .isEqualTo(LeafRoom.Obstacle.NOT_WRITABLE);
  }

  @Test
  void anEmptyDelegatedCgroupHasRoomOnceMemoryIsEnabled() {
    CapturedTree tree = CapturedTree.unpack("systemd-scope-delegated", root);
    Cgroup scope = tree.ancestry().own();
    tree.with("/" + root.relativize(scope.directory()) + "/cgroup.procs", "");

    LeafPlace place = LeafPlace.under(scope, tree.ancestry().mount(), file -> true);

    assertThat(place.obstacle()).isEmpty();
    assertThat(place.mustEnableMemory()).isTrue();
  }

  @Test
  void theCgroupAboveHasRoomWhereItHandsOutMemory() {
    Ancestry ancestry = CapturedTree.unpack("v2-before-oom", root).ancestry();

    LeafPlace place =
        LeafPlace.under(ancestry.parent().orElseThrow(), ancestry.mount(), file -> true);

    assertThat(place.obstacle()).isEmpty();
    assertThat(place.mustEnableMemory()).isFalse();
  }

  @Test
  void whereMemoryIsHandedOutAlreadyProcessesAreNoObstacle() {
    CapturedTree tree =
        CapturedTree.unpack("v2-container-writable", root)
            .with("/sys/fs/cgroup/cgroup.subtree_control", "memory pids\n");

    assertThat(ownPlace(tree).obstacle()).isEmpty();
    assertThat(ownPlace(tree).mustEnableMemory()).isFalse();
  }

  @Test
  void theRootMayHoldProcessesAndHaveChildren() {
    CapturedTree tree =
        CapturedTree.unpack("v2-plain", root)
            .with("/proc/self/cgroup", "0::/\n")
            .with("/sys/fs/cgroup/cgroup.procs", "1\n")
            .with("/sys/fs/cgroup/cgroup.subtree_control", "");

    assertThat(ownPlace(tree).obstacle()).isEmpty();
    assertThat(ownPlace(tree).mustEnableMemory()).isTrue();
  }

  @Test
  void aDirectoryOfSomebodyElseIsNotDelegated() {
    LeafPlace place = ownPlace(CapturedTree.unpack("systemd-scope", root), file -> false);

    assertThat(place.obstacle().orElseThrow().kind()).isEqualTo(LeafRoom.Obstacle.NOT_WRITABLE);
    assertThat(place.obstacle().orElseThrow().remedy()).contains("Delegate=yes");
  }

  @ParameterizedTest
  @CsvSource({"cgroup.procs", "cgroup.subtree_control"})
  void aDirectoryWithoutItsFilesIsHalfDelegated(String name) {
    CapturedTree tree = CapturedTree.unpack("systemd-scope", root);

    LeafPlace place = ownPlace(tree, file -> !file.endsWith(name));

    assertThat(place.obstacle().orElseThrow().kind()).isEqualTo(LeafRoom.Obstacle.HALF_DELEGATED);
    assertThat(place.obstacle().orElseThrow().why()).endsWith("not write its " + name);
  }

  @Test
  void theControllerMayNotHaveBeenHandedDown() {
    CapturedTree tree =
        CapturedTree.unpack("v2-container-writable", root)
            .with("/sys/fs/cgroup/cgroup.controllers", "cpu pids\n");

    assertThat(ownPlace(tree).obstacle().orElseThrow().kind())
        .isEqualTo(LeafRoom.Obstacle.NO_MEMORY_CONTROLLER);
  }

  @ParameterizedTest
  @CsvSource({"threaded", "domain threaded", "domain invalid"})
  void onlyADomainAccountsMemory(String type) {
    CapturedTree tree =
        CapturedTree.unpack("v2-container-writable", root)
            .with("/sys/fs/cgroup/cgroup.type", type + "\n");

    assertThat(ownPlace(tree).obstacle().orElseThrow().kind())
        .isEqualTo(LeafRoom.Obstacle.THREADED);
  }

  private static LeafPlace ownPlace(CapturedTree tree) {
    return ownPlace(tree, file -> true);
  }

  private static LeafPlace ownPlace(CapturedTree tree, Predicate<Path> writable) {
    Ancestry ancestry = tree.ancestry();
    return LeafPlace.under(ancestry.own(), ancestry.mount(), writable);
  }
}
