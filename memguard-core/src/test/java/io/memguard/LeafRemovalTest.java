package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.diagnose.Catalogue;
import io.memguard.launch.engine.LaunchPlan;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.WaitStatus;
import io.memguard.platform.cgroup.CgroupFinder;
import io.memguard.platform.cgroup.CgroupSearch;
import io.memguard.platform.cgroup.Machine;
import io.memguard.platform.kernellog.OomVictims;
import io.memguard.support.Children;
import io.memguard.support.Machines;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * To remove a leaf may take long, and whoever learns of a child's end, the watcher, does not wait
 * for it. An ordinary directory stands for the leaf, with a FIFO that nobody reads.
 */
@Tag("engine-independent")
class LeafRemovalTest {
  private static final MemoryLimits LIMITS =
      MemoryLimits.none().with(Protection.CGROUP_LEAF, Requirement.REQUIRE);

  @TempDir Path root;

  @Test
  void keepsNobodyButTheOutcome() throws Exception {
    Machine machine = Machines.withCgroupV1(root);
    CgroupSearch search = CgroupFinder.findOwn(machine);
    LaunchPlan plan = LaunchPlan.of(Children.sh("exit 0"), LIMITS, LaunchOptions.defaults());
    Witnesses.Preload preload = Witnesses.Preload.none("not needed");
    Child child =
        new PortableEngine().launch(plan, preload, Leaves.Lease.none("not needed"), false);
    Child.End end = child.end().get(20, TimeUnit.SECONDS);
    assertThat(end.status()).isEqualTo(new WaitStatus.Exit(0));

    try (Leaves leaves = Leaves.at(search);
        OomCounters counters = new OomCounters(machine, search)) {
      Leaves.Lease lease = leaves.arm(LIMITS);
      Path leaf = lease.directory().orElseThrow();
      Path fifo = leaf.resolve("cgroup.kill");
      assertThat(new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor()).isZero();
      Postmortem postmortem =
          new Postmortem(
              plan,
              preload,
              lease,
              Map.of(),
              Optional.empty(),
              child,
              Postmortem.Files.of(plan),
              Postmortem.Kernel.before(counters, OomVictims.unknown()),
              Catalogue.with(List.of()),
              Map.of(),
              System.nanoTime());
      FutureTask<CompletableFuture<Outcome>> examined =
          new FutureTask<>(() -> postmortem.examine(end));
      Thread watcher = new Thread(examined, "stands for the watcher");
      watcher.setDaemon(true);
      watcher.start();
      CompletableFuture<Outcome> outcome;
      try {
        outcome = examined.get(20, TimeUnit.SECONDS);
        assertThat(outcome).isNotDone();
      } finally {
        letGo(fifo);
      }
      assertThat(outcome.get(20, TimeUnit.SECONDS)).isInstanceOf(Outcome.Exited.class);
    }
  }

  /** Reads what was to be written, after which the directory is empty. */
  private static void letGo(Path fifo) throws Exception {
    try (var reader = Files.newInputStream(fifo)) {
      Files.delete(fifo);
      assertThat(reader.read()).isEqualTo('1');
    }
  }
}
