package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.memguard.launch.LaunchException;
import io.memguard.launch.LaunchStep;
import io.memguard.launch.engine.LaunchPlan;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.outcome.Signal;
import io.memguard.outcome.WaitStatus;
import io.memguard.platform.cgroup.CgroupFinder;
import io.memguard.platform.cgroup.Machine;
import io.memguard.support.Children;
import io.memguard.support.Machines;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Whether the portable engine's child got into its leaf is seen. Here the leaf is an ordinary
 * directory, as where cgroups were unmounted: nobody gets in, though the shell may write there.
 */
@Tag("engine-independent")
final class PortableLeafTest {
  private static final MemoryLimits REQUIRED =
      MemoryLimits.none().with(Protection.CGROUP_LEAF, Requirement.REQUIRE);
  private static final MemoryLimits PREFERRED = MemoryLimits.none().withPidsMax(7);

  @TempDir private Path machine;
  private Path procs;
  private Path ran;
  private Leaves.Lease lease;
  private Child child;

  @BeforeEach
  void makeMachine() throws IOException {
    Machines.withCgroupV1(machine);
    ran = machine.resolve("ran");
  }

  @AfterEach
  void release() throws IOException {
    child.signal(Signal.KILL);
    Files.deleteIfExists(procs);
    lease.release();
  }

  @Test
  void requiredItIsRefused() throws Exception {
    launch(REQUIRED, "exec sleep 3600");
    assertRefused();
  }

  @Test
  void requiredTheProgramDoesNotRunWhereTheShellCannotJoin() throws Exception {
    arm(REQUIRED);
    Files.createDirectory(procs);
    start(REQUIRED, "echo >'" + ran + "'");
    assertRefused();
    assertThat(ran).doesNotExist();
  }

  @Test
  void preferredItIsSaid() throws Exception {
    launch(PREFERRED, "exec sleep 3600");
    assertNotThere();
  }

  @Test
  void whereTheProgramEndedAlreadyThePeakTells() throws Exception {
    arm(PREFERRED);
    Files.writeString(procs.resolveSibling("memory.max_usage_in_bytes"), "0\n");
    start(PREFERRED, "exit 0");
    child.end().get(20, TimeUnit.SECONDS);
    assertNotThere();
    Files.delete(procs.resolveSibling("memory.max_usage_in_bytes"));
  }

  private void launch(MemoryLimits limits, String script) throws Exception {
    arm(limits);
    start(limits, script);
  }

  private void arm(MemoryLimits limits) throws Exception {
    lease = Leaves.at(CgroupFinder.findOwn(new Machine(machine))).arm(limits);
    procs = lease.directory().orElseThrow().resolve("cgroup.procs");
  }

  private void start(MemoryLimits limits, String script) throws Exception {
    LaunchPlan plan = LaunchPlan.of(Children.sh(script), limits, LaunchOptions.defaults());
    child = new PortableEngine().launch(plan, Witnesses.Preload.none("not needed"), lease, false);
  }

  private void assertRefused() throws Exception {
    assertThatThrownBy(() -> lease.verify(child, false))
        .isInstanceOfSatisfying(
            LaunchException.class,
            refusal -> assertThat(refusal.step()).isEqualTo(LaunchStep.CGROUP))
        .hasMessageContaining("outside of " + procs.getParent());
    assertThat(child.end().get(20, TimeUnit.SECONDS).status())
        .isEqualTo(new WaitStatus.Kill(Signal.KILL, false));
  }

  private void assertNotThere() throws Exception {
    assertThat(lease.state().active()).isTrue();
    lease.verify(child, false);
    assertThat(lease.state().active()).isFalse();
    assertThat(lease.state().reason()).contains("outside of " + procs.getParent());
    assertThat(lease.leaf()).isEmpty();
  }
}
