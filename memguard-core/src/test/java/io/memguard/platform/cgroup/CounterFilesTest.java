package io.memguard.platform.cgroup;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.platform.cgroup.CounterFiles.Reading;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The counters that are read at each launch, from ordinary files. */
@Tag("engine-independent")
final class CounterFilesTest {
  @TempDir Path root;

  @Test
  void tellsHowMuchEachLevelRose() throws Exception {
    Path app = Files.createDirectory(root.resolve("app"));
    write(root, "memory.events.local", "max 1\noom 1\noom_kill 0\n");
    write(app, "memory.events.local", "max 0\noom 0\noom_kill 2\n");
    write(app, "memory.events", "max 0\noom 0\noom_kill 5\n");
    List<Cgroup> levels = List.of(new CgroupV2("/app", app, false), new CgroupV2("/", root, false));
    try (CounterFiles files = new CounterFiles(levels, 1, System::nanoTime)) {
      Reading before = files.read();
      write(root, "memory.events.local", "max 9\noom 3\noom_kill 0\n");
      write(app, "memory.events", "max 0\noom 0\noom_kill 6\n");
      List<CounterChange> changes = files.between(before, files.read());

      assertThat(changes).extracting(CounterChange::cgroup).isEqualTo(levels);
      assertThat(local(changes.get(0), Counter.OOM_KILL)).isZero();
      assertThat(changes.get(0).hierarchical().orElseThrow().of(Counter.OOM_KILL)).hasValue(1);
      assertThat(local(changes.get(0), Counter.OOM)).isZero();
      assertThat(local(changes.get(1), Counter.OOM)).isEqualTo(2);
      assertThat(changes.get(1).hierarchical()).isEmpty();
      assertThat(files.between(before, before)).isNotEmpty().allMatch(CounterFilesTest::isQuiet);
    }
  }

  /** Then there seem to have been more kills than in truth, and never fewer. */
  @Test
  void whatAllBelowTheCgroupsAboveCountIsReadRarelyAtLaunches() throws Exception {
    Path app = Files.createDirectory(root.resolve("app"));
    write(app, "memory.events.local", "oom_kill 0\n");
    write(root, "memory.events.local", "oom 0\n");
    write(root, "memory.events", "oom_kill 3\n");
    List<Cgroup> levels = List.of(new CgroupV2("/app", app, false), new CgroupV2("/", root, false));
    AtomicLong nanos = new AtomicLong();
    try (CounterFiles files = new CounterFiles(levels, 1, nanos::get)) {
      write(root, "memory.events", "oom_kill 4\n");
      Reading soon = files.read();
      nanos.set(TimeUnit.SECONDS.toNanos(10));
      Reading later = files.read();
      write(root, "memory.events", "oom_kill 6\n");
      Reading now = files.readAll();
      assertThat(killsAbove(files, soon, now)).hasValue(3);
      assertThat(killsAbove(files, later, now)).hasValue(2);
      assertThat(killsAbove(files, files.read(), now)).hasValue(0);
    }
  }

  private static OptionalLong killsAbove(CounterFiles files, Reading before, Reading now) {
    return files.between(before, now).get(1).hierarchical().orElseThrow().of(Counter.OOM_KILL);
  }

  @Test
  void readsTheFilesOfV1() throws Exception {
    write(root, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n");
    write(root, "memory.failcnt", "7\n");
    try (CounterFiles files =
        new CounterFiles(List.of(new CgroupV1("/", root)), 1, System::nanoTime)) {
      Reading before = files.read();
      write(root, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
      write(root, "memory.failcnt", "8\n");
      CounterChange change = files.between(before, files.read()).get(0);
      assertThat(local(change, Counter.OOM_KILL)).isEqualTo(1);
      assertThat(change.local().orElseThrow().limitReached()).hasValue(1);
    }
  }

  @Test
  void onV1TheLimitOfMemoryAndSwapIsALimitToo() throws Exception {
    write(root, "memory.failcnt", "7\n");
    write(root, "memory.memsw.failcnt", "1\n");
    try (CounterFiles files =
        new CounterFiles(List.of(new CgroupV1("/", root)), 1, System::nanoTime)) {
      Reading before = files.read();
      assertThat(files.between(before, files.read()))
          .isNotEmpty()
          .allMatch(CounterFilesTest::isQuiet);
      write(root, "memory.memsw.failcnt", "2\n");
      assertThat(files.between(before, files.read()))
          .extracting(change -> change.local().orElseThrow().limitReached().orElseThrow())
          .containsExactly(1L);
    }
  }

  @Test
  void whatIsNotThereIsNotKnown() {
    try (CounterFiles files =
        new CounterFiles(List.of(new CgroupV2("/", root, false)), 1, System::nanoTime)) {
      assertThat(files.between(files.read(), files.read())).isEmpty();
    }
  }

  @Test
  void afterItsCloseNothingIsKnown() throws Exception {
    write(root, "memory.events.local", "oom 1\n");
    CounterFiles files =
        new CounterFiles(List.of(new CgroupV2("/", root, false)), 1, System::nanoTime);
    Reading before = files.read();
    files.close();
    assertThat(files.between(before, files.read())).isEmpty();
  }

  @Test
  void aKillAtTheParentsLimitIsCountedWhereTheVictimLivedAndWhereTheLimitIs() {
    List<CounterChange> changes = between("v2-before-oom", "v2-after-oom");
    assertThat(changes).extracting(change -> change.cgroup().path()).startsWith("/pod/app", "/pod");
    assertThat(local(changes.get(0), Counter.OOM_KILL)).isEqualTo(1);
    assertThat(local(changes.get(0), Counter.OOM)).isZero();
    assertThat(local(changes.get(1), Counter.OOM_KILL)).isZero();
    assertThat(local(changes.get(1), Counter.OOM)).isPositive();
  }

  @Test
  void aGroupKillIsCountedAsOne() {
    CounterChange app = between("v2-after-oom", "v2-after-group-kill").get(0);
    assertThat(local(app, Counter.OOM_GROUP_KILL)).isEqualTo(1);
    assertThat(local(app, Counter.OOM)).isZero();
    assertThat(local(app, Counter.OOM_KILL)).isPositive();
  }

  @Test
  void v1CountsTheVictimWhereItLivedAndTheLimitWhereItWasReached() {
    List<CounterChange> changes = between("v1-docker", "v1-after-oom");
    assertThat(local(changes.get(0), Counter.OOM_KILL)).isEqualTo(1);
    assertThat(changes.get(0).local().orElseThrow().limitReached().orElse(0)).isZero();
    assertThat(changes.get(1).cgroup().path()).isEqualTo("/docker");
    assertThat(changes.get(1).local().orElseThrow().limitReached().orElse(0)).isPositive();
    assertThat(changes.get(0).hierarchical()).isEmpty();
  }

  /**
   * By the kernel's changes: events.local came with 5.2, and what was there before counted so;
   * oom_group_kill came with 5.17.
   */
  @Test
  void olderKernelsHaveFewerCounters() {
    CapturedTree tree = CapturedTree.unpack("v2-before-oom", root);
    tree.without("/sys/fs/cgroup/pod/app/memory.events.local")
        .with("/sys/fs/cgroup/pod/app/memory.events", "low 0\nhigh 3\nmax 0\noom 0\noom_kill 2\n");

    Cgroup app = tree.ancestry().own();

    assertThat(app.events()).isEmpty();
    assertThat(app.localEvents().orElseThrow().of(Counter.HIGH)).hasValue(3);
    assertThat(app.localEvents().orElseThrow().of(Counter.OOM_GROUP_KILL)).isEmpty();
  }

  @Test
  void withLocalEventsTheHierarchysCountersAreNotKnown() {
    CapturedTree tree =
        CapturedTree.unpack("v2-after-oom", root)
            .edit("/proc/self/mountinfo", "rw,nsdelegate", "rw,nsdelegate,memory_localevents");

    assertThat(tree.ancestry().own().events()).isEmpty();
    assertThat(tree.ancestry().own().localEvents().orElseThrow().of(Counter.OOM_KILL)).hasValue(1);
  }

  private List<CounterChange> between(String first, String second) {
    CapturedTree tree = CapturedTree.unpack(first, root);
    try (CounterFiles files = new CounterFiles(tree.ancestry().levels(), 1, System::nanoTime)) {
      Reading before = files.read();
      CapturedTree.unpack(second, root);
      return files.between(before, files.read());
    }
  }

  private static long local(CounterChange change, Counter counter) {
    return change.local().orElseThrow().of(counter).orElseThrow();
  }

  private static boolean isQuiet(CounterChange change) {
    return Stream.of(change.local(), change.hierarchical())
        .flatMap(Optional::stream)
        .allMatch(counters -> counters.values().values().stream().allMatch(risen -> risen == 0));
  }

  private static void write(Path directory, String name, String text) throws IOException {
    Files.writeString(directory.resolve(name), text);
  }
}
