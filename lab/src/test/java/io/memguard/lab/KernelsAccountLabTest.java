package io.memguard.lab;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.doctor.LeafRoom;
import io.memguard.limits.EffectiveLimit;
import io.memguard.platform.Linux;
import io.memguard.platform.cgroup.Ancestry;
import io.memguard.platform.cgroup.Cgroup;
import io.memguard.platform.cgroup.CgroupFinder;
import io.memguard.platform.cgroup.CgroupSearch;
import io.memguard.platform.cgroup.Counter;
import io.memguard.platform.cgroup.CounterChange;
import io.memguard.platform.cgroup.CounterFiles;
import io.memguard.platform.cgroup.EffectiveLimits;
import io.memguard.platform.cgroup.LeafPlace;
import io.memguard.platform.cgroup.Machine;
import io.memguard.platform.kernellog.KernelLog;
import io.memguard.platform.kernellog.OomKill;
import io.memguard.platform.kernellog.OomKillReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What the kernel itself says of a process that it killed, read where it says it. */
@Tag("lab")
@DisplayName("The kernel's own account of an OOM kill")
class KernelsAccountLabTest {
  private static final Path POD = Path.of("/sys/fs/cgroup/account");
  private static final Path APP = POD.resolve("app");
  private static final long LIMIT = 20L << 20;

  @BeforeEach
  void makeCgroups() throws IOException {
    Files.createDirectory(POD);
    Files.writeString(POD.resolve("cgroup.subtree_control"), "+memory");
    Files.writeString(POD.resolve("memory.max"), Long.toString(LIMIT));
    Files.createDirectory(APP);
  }

  @AfterEach
  void removeCgroups() throws IOException {
    Files.delete(APP);
    Files.delete(POD);
  }

  @Test
  @DisplayName("names the cgroup whose limit it was, in its counters and in its log")
  void countersAndLogAgree() throws Exception {
    Linux.load();
    Process child = inApp("read go; exec python3 -c 'x = bytearray(100 << 20)'");
    try (KernelLog log = KernelLog.open();
        CounterFiles counters =
            new CounterFiles(waitUntilItIsInApp(child).levels(), 1, System::nanoTime)) {
      CgroupSearch search = CgroupFinder.find(Machine.here(), child.pid());
      EffectiveLimit limit = EffectiveLimits.of(Machine.here(), search).max().orElseThrow();
      assertThat(limit.bytes()).isEqualTo(LIMIT);
      assertThat(limit.setBy()).isEqualTo("cgroup /account");
      assertThat(limit.hiddenAncestors()).isEmpty();

      CounterFiles.Reading before = counters.read();
      long killsBefore = Machine.here().oomKills().orElseThrow();
      child.getOutputStream().write('\n');
      child.getOutputStream().close();
      assertThat(child.waitFor()).isEqualTo(137);

      List<CounterChange> changes = counters.between(before, counters.read());
      assertThat(changes)
          .extracting(change -> change.cgroup().path())
          .containsExactly("/account/app", "/account");
      assertThat(rise(changes, Counter.OOM)).containsExactly(0L, 1L);
      assertThat(rise(changes, Counter.OOM_KILL)).containsExactly(1L, 0L);
      assertThat(Machine.here().oomKills()).hasValue(killsBefore + 1);

      OomKillReader reader = new OomKillReader();
      List<OomKill> kills =
          log.poll().stream().flatMap(record -> reader.next(record.text()).stream()).toList();
      assertThat(kills)
          .singleElement()
          .satisfies(
              kill -> {
                assertThat(kill.pid()).isEqualTo(child.pid());
                assertThat(kill.limitCgroup()).contains("/account");
                assertThat(kill.victimCgroup()).contains("/account/app");
              });
    } finally {
      child.destroyForcibly().waitFor();
    }
  }

  @Test
  @DisplayName("lets a leaf be made where no process is, and only there")
  void roomForALeaf() throws Exception {
    Process child = inApp("read go");
    try {
      Ancestry ancestry = waitUntilItIsInApp(child);

      LeafPlace beside = LeafPlace.under(ancestry.parent().orElseThrow(), ancestry.mount());
      assertThat(beside.obstacle()).isEmpty();
      Files.delete(Files.createDirectory(beside.under().directory().resolve("leaf")));

      LeafPlace below = LeafPlace.under(ancestry.own(), ancestry.mount());
      assertThat(below.obstacle().orElseThrow().kind())
          .isEqualTo(LeafRoom.Obstacle.HOLDS_PROCESSES);
    } finally {
      child.destroyForcibly().waitFor();
    }
  }

  private static List<Long> rise(List<CounterChange> changes, Counter counter) {
    return changes.stream()
        .map(change -> change.local().orElseThrow().of(counter).orElseThrow())
        .toList();
  }

  private static Process inApp(String script) throws IOException {
    return new ProcessBuilder(
            "sh", "-c", "echo $$ >" + APP + "/cgroup.procs; echo there; " + script)
        .redirectError(ProcessBuilder.Redirect.DISCARD)
        .start();
  }

  private static Ancestry waitUntilItIsInApp(Process child) throws IOException {
    assertThat(child.inputReader().readLine()).isEqualTo("there");
    CgroupSearch search = CgroupFinder.find(Machine.here(), child.pid());
    assertThat(search.levels())
        .extracting(Cgroup::path)
        .containsExactly("/account/app", "/account", "/");
    return ((CgroupSearch.Found) search).ancestry();
  }
}
