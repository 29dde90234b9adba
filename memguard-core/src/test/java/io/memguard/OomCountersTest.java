package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.OomCounters.Baseline;
import io.memguard.outcome.CgroupRecord;
import io.memguard.platform.cgroup.CgroupFinder;
import io.memguard.platform.cgroup.Leaf;
import io.memguard.platform.cgroup.LeafLimits;
import io.memguard.platform.cgroup.Machine;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Which of several children a risen counter is put down to. */
@Tag("engine-independent")
final class OomCountersTest {
  @TempDir Path machine;
  private Path app;
  private long nanos;

  @BeforeEach
  void makeMachine() throws IOException {
    Path proc = Files.createDirectories(machine.resolve("proc/self"));
    Files.writeString(proc.resolve("cgroup"), "0::/app\n");
    Files.writeString(
        proc.resolve("mountinfo"),
        "30 23 0:26 / /sys/fs/cgroup ro,nosuid - cgroup2 cgroup2 rw,nsdelegate\n");
    app = Files.createDirectories(machine.resolve("sys/fs/cgroup/app"));
    Files.writeString(app.getParent().resolve("cgroup.controllers"), "memory\n");
    Files.writeString(app.getParent().resolve("cgroup.procs"), "");
    Files.writeString(app.resolve("cgroup.procs"), "");
    Files.writeString(app.resolve("cgroup.events"), "populated 1\n");
    killed(4);
  }

  @Test
  void whatRoseBetweenLaunchAndDeathCounts() throws Exception {
    try (OomCounters counters = counters()) {
      Baseline launch = counters.now();
      killed(5);
      CgroupRecord record = counters.since(launch, Optional.empty(), true);
      assertThat(record.killedInContainer()).isTrue();
      assertThat(record.outOfMemory()).map(CgroupRecord.Container::path).contains("/app");
      assertThat(record.shared()).isFalse();
      assertThat(record.leaf()).isEmpty();
    }
  }

  @Test
  void whatRoseBeforeTheLaunchDoesNot() throws Exception {
    try (OomCounters counters = counters()) {
      Baseline first = counters.now();
      killed(5);
      counters.since(first, Optional.empty(), true);
      CgroupRecord record = counters.since(counters.now(), Optional.empty(), true);
      assertThat(record.wouldTell()).isTrue();
      assertThat(record.killedInContainer()).isFalse();
      assertThat(record.outOfMemory()).isEmpty();
      assertThat(record.shared()).isFalse();
    }
  }

  @Test
  void twoThatAreKilledAtTheSameTimeShareIt() throws Exception {
    try (OomCounters counters = counters()) {
      Baseline first = counters.now();
      Baseline second = counters.now();
      killed(5);
      assertThat(counters.since(first, Optional.empty(), true).shared()).isFalse();
      CgroupRecord record = counters.since(second, Optional.empty(), true);
      assertThat(record.killedInContainer()).isTrue();
      assertThat(record.shared()).isTrue();
    }
  }

  @Test
  void oneThatEndsByItselfTakesNothingFromOneThatIsKilled() throws Exception {
    try (OomCounters counters = counters()) {
      Baseline launch = counters.now();
      killed(5);
      counters.since(launch, Optional.empty(), false);
      CgroupRecord record = counters.since(launch, Optional.empty(), true);
      assertThat(record.killedInContainer()).isTrue();
      assertThat(record.shared()).isFalse();
    }
  }

  @Test
  void whereOurOwnCgroupHasNoControllerTheOneAboveCountsForIt() throws Exception {
    Path inner = Files.createDirectories(app.resolve("inner"));
    Files.writeString(inner.resolve("cgroup.events"), "populated 1\n");
    Files.writeString(inner.resolve("cgroup.procs"), "");
    Files.writeString(machine.resolve("proc/self/cgroup"), "0::/app/inner\n");
    try (OomCounters counters = counters()) {
      Baseline launch = counters.now();
      killed(5);
      CgroupRecord record = counters.since(launch, Optional.empty(), true);
      assertThat(record.wouldTell()).isTrue();
      assertThat(record.killedInContainer()).isTrue();
    }
  }

  /** The supervisor's cgroup is given the controller with the first leaf that is made beside it. */
  @Test
  void aKillInAnothersLeafIsNotTakenForThatOfAChildWithoutOne() throws Exception {
    Path supervisor = supervisorWithoutController();
    try (OomCounters counters = counters()) {
      Baseline launch = counters.now();
      Files.writeString(app.resolve("memory.events"), "oom 4\noom_kill 5\n");
      CgroupRecord neighbours = counters.since(launch, Optional.empty(), true);
      assertThat(neighbours.wouldTell()).isTrue();
      assertThat(neighbours.killedInContainer()).isFalse();
      Files.writeString(supervisor.resolve("memory.events"), "oom 0\noom_kill 1\n");
      Files.writeString(supervisor.resolve("memory.events.local"), "oom 0\noom_kill 1\n");
      pass(2);
      CgroupRecord its = counters.since(launch, Optional.empty(), true);
      assertThat(its.killedInContainer()).isTrue();
    }
  }

  private Path supervisorWithoutController() throws IOException {
    Path supervisor = Files.createDirectories(app.resolve("supervisor"));
    Files.writeString(supervisor.resolve("cgroup.events"), "populated 1\n");
    Files.writeString(supervisor.resolve("cgroup.procs"), "");
    Files.writeString(machine.resolve("proc/self/cgroup"), "0::/app/supervisor\n");
    return supervisor;
  }

  @Test
  void aLeafThatWasNotKilledAsAWholeIsToldApart() throws Exception {
    Leaf leaf = leafBesideUs();
    try (OomCounters counters = counters()) {
      Baseline launch = counters.now();
      Path local = leaf.directory().resolve("memory.events.local");
      Files.writeString(local, "oom 1\noom_kill 1\noom_group_kill 0\n");
      Files.writeString(leaf.directory().resolve("memory.oom.group"), "1\n");
      assertThat(asAWhole(counters, launch, leaf)).isFalse();
      Files.writeString(local, "oom 1\noom_kill 3\noom_group_kill 1\n");
      assertThat(asAWhole(counters, launch, leaf)).isTrue();
      Files.writeString(local, "oom 1\noom_kill 1\n"); // before Linux 5.17
      assertThat(asAWhole(counters, launch, leaf)).isTrue();
      Files.writeString(leaf.directory().resolve("memory.oom.group"), "0\n");
      assertThat(asAWhole(counters, launch, leaf)).isFalse();
    }
  }

  private static boolean asAWhole(OomCounters counters, Baseline launch, Leaf leaf) {
    return counters.since(launch, Optional.of(leaf), true).leaf().orElseThrow().killedAsAWhole();
  }

  @Test
  void whatHappenedToANeighbourLongBeforeTheDeathDoesNotCount() throws Exception {
    try (OomCounters counters = counters()) {
      Baseline launch = counters.now();
      killed(5);
      pass(60);
      counters.now();
      pass(60);
      CgroupRecord record = counters.since(launch, Optional.empty(), true);
      assertThat(record.wouldTell()).isTrue();
      assertThat(record.killedInContainer()).isFalse();
      assertThat(record.outOfMemory()).isEmpty();
    }
  }

  @Test
  void whoElseWasKilledAroundALeafIsCountedSinceTheLaunch() throws Exception {
    Leaf leaf = leafBesideUs();
    try (OomCounters counters = counters()) {
      Baseline launch = counters.now();
      killed(5);
      pass(60);
      counters.now();
      pass(60);
      killed(leaf, 1, 1);
      Files.writeString(app.resolve("memory.events"), "oom 5\noom_kill 6\n");
      CgroupRecord record = counters.since(launch, Optional.of(leaf), true);
      assertThat(record.killedInLeaf()).isTrue();
      assertThat(record.containers())
          .singleElement()
          .satisfies(
              around -> {
                assertThat(around.path()).isEqualTo("/app");
                assertThat(around.othersKilled()).hasValue(1);
                assertThat(around.oom()).as("that was the neighbour's").hasValue(0);
              });
    }
  }

  @Test
  void whoLivedInTheLeafIsNobodyElse() throws Exception {
    Leaf leaf = leafBesideUs();
    try (OomCounters counters = counters()) {
      Baseline launch = counters.now();
      killed(6);
      killed(leaf, 2, 2);
      CgroupRecord record = counters.since(launch, Optional.of(leaf), true);
      assertThat(record.outOfMemory())
          .hasValueSatisfying(around -> assertThat(around.othersKilled()).hasValue(0));
    }
  }

  @Test
  void whoWasKilledBelowTheLeafIsCountedToo() throws Exception {
    Leaf leaf = leafBesideUs();
    try (OomCounters counters = counters()) {
      Baseline launch = counters.now();
      killed(leaf, 3, 1);
      CgroupRecord.Leaf record =
          counters.since(launch, Optional.of(leaf), true).leaf().orElseThrow();
      assertThat(record.oomKills()).hasValue(3);
      assertThat(record.oomKillsBelow()).hasValue(2);
      assertThat(record.oom()).hasValue(0);
    }
  }

  /** Then memory.events was what memory.events.local is now. */
  @Test
  void beforeLinux52TheLeafsKillsAreInTheOneFileThereIs() throws Exception {
    Leaf leaf = leafBesideUs();
    Files.delete(leaf.directory().resolve("memory.events.local"));
    try (OomCounters counters = counters()) {
      Baseline launch = counters.now();
      Files.writeString(leaf.directory().resolve("memory.events"), "max 4\noom 1\noom_kill 1\n");
      CgroupRecord.Leaf record =
          counters.since(launch, Optional.of(leaf), true).leaf().orElseThrow();
      assertThat(record.oomKills()).hasValue(1);
      assertThat(record.oomKillsBelow()).isEmpty();
      assertThat(record.oom()).hasValue(1);
      assertThat(record.limitReached()).hasValue(4);
    }
  }

  /** A large process takes its time. */
  @Test
  void aLaunchBetweenTheKillAndTheEndHidesNothing() throws Exception {
    try (OomCounters counters = counters()) {
      Baseline launch = counters.now();
      pass(60);
      counters.now();
      pass(60);
      killed(5);
      counters.now();
      pass(5);
      counters.now();
      CgroupRecord record = counters.since(launch, Optional.empty(), true);
      assertThat(record.killedInContainer()).isTrue();
      assertThat(record.outOfMemory()).isPresent();
    }
  }

  @Test
  void theMachinesCounterIsForBothOfTwoThatAreKilledAtTheSameTime() throws Exception {
    withoutCgroups();
    machineKilled(7);
    try (OomCounters counters = counters()) {
      Baseline launch = counters.now();
      machineKilled(9);
      for (int child = 0; child < 2; child++) {
        assertThat(counters.since(launch, Optional.empty(), true).hostOomKills()).hasValue(2);
      }
    }
  }

  @Test
  void whatTheMachineKilledBeforeTheLaunchDoesNotCount() throws Exception {
    withoutCgroups();
    machineKilled(7);
    try (OomCounters counters = counters()) {
      machineKilled(8);
      Baseline first = counters.now();
      assertThat(counters.since(first, Optional.empty(), true).hostOomKills()).hasValue(0);
      pass(1);
      machineKilled(9);
      Baseline second = counters.now();
      assertThat(counters.since(second, Optional.empty(), true).hostOomKills()).hasValue(0);
      pass(1);
      machineKilled(10);
      assertThat(counters.since(second, Optional.empty(), true).hostOomKills()).hasValue(1);
    }
  }

  @Test
  void theMachinesCounterIsNotReadWhereACgroupsIs() throws Exception {
    machineKilled(7);
    try (OomCounters counters = counters()) {
      Baseline launch = counters.now();
      machineKilled(8);
      assertThat(counters.since(launch, Optional.empty(), true).hostOomKills()).isEmpty();
    }
  }

  private static void killed(Leaf leaf, int times, int timesInItself) throws IOException {
    Path directory = leaf.directory();
    Files.writeString(directory.resolve("memory.events"), "oom 0\noom_kill " + times + "\n");
    Files.writeString(
        directory.resolve("memory.events.local"), "oom 0\noom_kill " + timesInItself + "\n");
  }

  /** From then on we are in a cgroup named supervisor, as who has leaves is. */
  private Leaf leafBesideUs() throws IOException {
    Path own = machine.resolve("proc/self/cgroup");
    for (String name : List.of("leaf", "supervisor")) {
      Path directory = Files.createDirectories(app.resolve(name));
      Files.writeString(directory.resolve("cgroup.procs"), "");
      Files.writeString(directory.resolve("cgroup.events"), "populated 1\n");
      Files.writeString(directory.resolve("memory.events"), "oom 0\noom_kill 0\n");
      Files.writeString(directory.resolve("memory.events.local"), "oom 0\noom_kill 0\n");
    }
    Files.writeString(own, "0::/app/leaf\n");
    Leaf leaf =
        new Leaf(
            CgroupFinder.findOwn(new Machine(machine)).levels().get(0),
            new LeafLimits(OptionalLong.empty(), OptionalLong.empty(), OptionalInt.empty()));
    Files.writeString(own, "0::/app/supervisor\n");
    return leaf;
  }

  /** Its clock moves by a microsecond with each look. */
  private OomCounters counters() {
    Machine here = new Machine(machine);
    return new OomCounters(here, CgroupFinder.findOwn(here), () -> nanos += 1000);
  }

  private void pass(long seconds) {
    nanos += TimeUnit.SECONDS.toNanos(seconds);
  }

  private void withoutCgroups() throws IOException {
    Files.writeString(machine.resolve("proc/self/mountinfo"), "");
  }

  private void machineKilled(int times) throws IOException {
    Files.writeString(machine.resolve("proc/vmstat"), "nr_free_pages 9\noom_kill " + times + "\n");
  }

  private void killed(int times) throws IOException {
    String text = "max 9\noom " + times + "\noom_kill " + times + "\n";
    Files.writeString(app.resolve("memory.events"), text);
    Files.writeString(app.resolve("memory.events.local"), text);
  }
}
