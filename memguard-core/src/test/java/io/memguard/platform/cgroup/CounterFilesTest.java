package io.memguard.platform.cgroup;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.platform.cgroup.CounterFiles.Reading;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
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
    try (CounterFiles files = new CounterFiles(levels)) {
      Reading before = files.read();
      write(root, "memory.events.local", "max 9\noom 3\noom_kill 0\n");
      write(app, "memory.events", "max 0\noom 0\noom_kill 6\n");
      List<CounterChange> changes = files.between(before, files.read());

      assertThat(changes).extracting(CounterChange::cgroup).isEqualTo(levels);
      assertThat(changes.get(0).killedHere()).isFalse();
      assertThat(changes.get(0).killedHereOrBelow()).isTrue();
      assertThat(changes.get(0).outOfMemory()).isFalse();
      assertThat(changes.get(1).outOfMemory()).isTrue();
      assertThat(changes.get(1).hierarchical()).isEmpty();
      assertThat(files.between(before, before))
          .noneMatch(CounterChange::outOfMemory)
          .noneMatch(CounterChange::killedHereOrBelow);
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
    try (CounterFiles files = new CounterFiles(levels, nanos::get)) {
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
    try (CounterFiles files = new CounterFiles(List.of(new CgroupV1("/", root)))) {
      Reading before = files.read();
      write(root, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
      write(root, "memory.failcnt", "8\n");
      CounterChange change = files.between(before, files.read()).get(0);
      assertThat(change.killedHere()).isTrue();
      assertThat(change.limitReached()).isTrue();
    }
  }

  @Test
  void onV1TheLimitOfMemoryAndSwapIsALimitToo() throws Exception {
    write(root, "memory.failcnt", "7\n");
    write(root, "memory.memsw.failcnt", "1\n");
    try (CounterFiles files = new CounterFiles(List.of(new CgroupV1("/", root)))) {
      Reading before = files.read();
      assertThat(files.between(before, files.read())).noneMatch(CounterChange::limitReached);
      write(root, "memory.memsw.failcnt", "2\n");
      assertThat(files.between(before, files.read())).allMatch(CounterChange::limitReached);
    }
  }

  @Test
  void whatIsNotThereIsNotKnown() {
    try (CounterFiles files = new CounterFiles(List.of(new CgroupV2("/", root, false)))) {
      assertThat(files.between(files.read(), files.read())).isEmpty();
    }
  }

  @Test
  void afterItsCloseNothingIsKnown() throws Exception {
    write(root, "memory.events.local", "oom 1\n");
    CounterFiles files = new CounterFiles(List.of(new CgroupV2("/", root, false)));
    Reading before = files.read();
    files.close();
    assertThat(files.between(before, files.read())).isEmpty();
  }

  private static void write(Path directory, String name, String text) throws IOException {
    Files.writeString(directory.resolve(name), text);
  }
}
