package io.memguard.platform.cgroup;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Two looks at the counters tell whose limit was reached and where somebody was killed. */
@Tag("engine-independent")
class CounterSnapshotTest {
  private static final String APP = "/sys/fs/cgroup/pod/app";

  @TempDir Path root;

  @Test
  void aKillAtTheParentsLimit() {
    CounterChanges changes = between("v2-before-oom", "v2-after-oom");

    assertThat(changes.outOfMemory()).extracting(Cgroup::path).containsExactly("/pod");
    assertThat(changes.limitsReached()).extracting(Cgroup::path).containsExactly("/pod");
    assertThat(changes.hostOomKills()).hasValue(1);
    assertThat(changes.levels())
        .extracting(CounterChange::killedHere)
        .containsExactly(true, false, false);
    assertThat(changes.levels())
        .extracting(CounterChange::killedHereOrBelow)
        .containsExactly(true, true, false);
  }

  @Test
  void aGroupKillIsCountedAsOne() {
    CounterChange app = between("v2-after-oom", "v2-after-group-kill").levels().get(0);

    assertThat(app.local().orElseThrow().of(Counter.OOM_GROUP_KILL)).hasValue(1);
    assertThat(app.outOfMemory()).isFalse();
    assertThat(app.killedHere()).isTrue();
  }

  @Test
  void v1CountsTheVictimWhereItLivedAndTheLimitWhereItWasReached() {
    CounterChanges changes = between("v1-docker", "v1-after-oom");

    assertThat(changes.levels())
        .extracting(CounterChange::killedHere)
        .containsExactly(true, false, false);
    assertThat(changes.limitsReached()).extracting(Cgroup::path).containsExactly("/docker");
    assertThat(changes.outOfMemory()).isEmpty();
    assertThat(changes.levels().get(0).hierarchical()).isEmpty();
  }

  @Test
  void nothingHappened() {
    CounterChanges changes = between("v2-after-oom", "v2-after-oom");

    assertThat(changes.limitsReached()).isEmpty();
    assertThat(changes.levels()).noneMatch(CounterChange::killedHereOrBelow);
    assertThat(changes.hostOomKills()).hasValue(0);
  }

  @Test
  void aCgroupThatVanishedSaysNothing() throws IOException {
    CapturedTree tree = CapturedTree.unpack("v2-before-oom", root);
    List<Cgroup> levels = tree.ancestry().levels();
    CounterSnapshot before = CounterSnapshot.take(tree.machine(), levels);
    delete(tree.at(APP));

    CounterChanges changes = CounterSnapshot.take(tree.machine(), levels).since(before);

    assertThat(changes.levels())
        .filteredOn(CounterChange::vanished)
        .singleElement()
        .satisfies(
            gone -> {
              assertThat(gone.cgroup().path()).isEqualTo("/pod/app");
              assertThat(gone.local()).isEmpty();
              assertThat(gone.killedHere()).isFalse();
            });
    assertThat(changes.levels()).hasSize(3);
  }

  @Test
  void aCgroupMadeAnewUnderTheSameNameIsAnother() throws IOException {
    CapturedTree tree = CapturedTree.unpack("v2-after-oom", root);
    List<Cgroup> levels = tree.ancestry().levels();
    CounterSnapshot before = CounterSnapshot.take(tree.machine(), levels);
    Files.move(tree.at(APP), tree.at("/aside"));
    CapturedTree.unpack("v2-after-group-kill", root);

    CounterChanges changes = CounterSnapshot.take(tree.machine(), levels).since(before);

    assertThat(changes.levels().get(0).vanished()).isTrue();
    assertThat(changes.levels().get(0).local()).isEmpty();
  }

  @Test
  void aLeafMadeAfterTheFirstLookBeganAtZero() {
    CapturedTree tree = CapturedTree.unpack("v2-after-oom", root);
    List<Cgroup> levels = tree.ancestry().levels();
    CounterSnapshot before = CounterSnapshot.take(tree.machine(), levels.subList(1, 3));

    CounterChange app = CounterSnapshot.take(tree.machine(), levels).since(before).levels().get(0);

    assertThat(app.killedHere()).isTrue();
  }

  /** By the kernel's changes: events.local came with 5.2, oom_group_kill with 5.12. */
  @Test
  void olderKernelsHaveFewerCounters() {
    CapturedTree tree = CapturedTree.unpack("v2-before-oom", root);
    tree.without(APP + "/memory.events.local")
        .with(APP + "/memory.events", "low 0\nhigh 3\nmax 0\noom 0\noom_kill 2\n");

    Cgroup app = tree.ancestry().own();

    assertThat(app.localEvents()).isEmpty();
    assertThat(app.events().orElseThrow().of(Counter.HIGH)).hasValue(3);
    assertThat(app.events().orElseThrow().of(Counter.OOM_GROUP_KILL)).isEmpty();
  }

  @Test
  void withLocalEventsTheHierarchysCountersAreNotKnown() {
    CapturedTree tree =
        CapturedTree.unpack("v2-after-oom", root)
            .edit("/proc/self/mountinfo", "rw,nsdelegate", "rw,nsdelegate,memory_localevents");

    assertThat(tree.ancestry().own().events()).isEmpty();
    assertThat(tree.ancestry().own().localEvents().orElseThrow().of(Counter.OOM_KILL)).hasValue(1);
  }

  @Test
  void theGroupFlagIsSeenOnEveryLevel() {
    CapturedTree tree = CapturedTree.unpack("v2-after-group-kill", root);
    assertThat(tree.ancestry().groupKills()).extracting(Cgroup::path).containsExactly("/pod/app");

    tree.with("/sys/fs/cgroup/pod/memory.oom.group", "1\n");
    assertThat(tree.ancestry().groupKills())
        .extracting(Cgroup::path)
        .containsExactly("/pod/app", "/pod");
    assertThat(CapturedTree.unpack("v1-docker", root.resolve("v1")).ancestry().groupKills())
        .isEmpty();
  }

  @Test
  void theMachinesCounterCanBeLeftOut() {
    CapturedTree tree = CapturedTree.unpack("v2-before-oom", root);
    CounterSnapshot before = CounterSnapshot.take(tree.ancestry().levels());

    CounterChanges changes =
        CounterSnapshot.take(tree.machine(), tree.ancestry().levels()).since(before);

    assertThat(changes.hostOomKills()).isEmpty();
    assertThat(changes.levels()).hasSize(3);
  }

  private CounterChanges between(String first, String second) {
    CapturedTree tree = CapturedTree.unpack(first, root);
    List<Cgroup> levels = tree.ancestry().levels();
    CounterSnapshot before = CounterSnapshot.take(tree.machine(), levels);
    CapturedTree.unpack(second, root);
    return CounterSnapshot.take(tree.machine(), levels).since(before);
  }

  private static void delete(Path directory) throws IOException {
    try (Stream<Path> files = Files.walk(directory)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }
}
