package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.platform.cgroup.CgroupFinder;
import io.memguard.support.Eventually;
import io.memguard.support.Machines;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** No leaf is forgotten that could not be removed in time; ordinary directories stand for them. */
@Tag("engine-independent")
class LeavesTest {
  private static final MemoryLimits LIMITS =
      MemoryLimits.none().with(Protection.CGROUP_LEAF, Requirement.REQUIRE);

  @TempDir Path machine;
  private Leaves leaves;

  @BeforeEach
  void makeMachine() throws Exception {
    leaves = Leaves.at(CgroupFinder.findOwn(Machines.withCgroupV1(machine)), Duration.ofMillis(1));
  }

  @Test
  void whatDidNotEndInTimeIsTriedAgainAtTheNextLaunch() throws Exception {
    Path held = giveUp();
    assertThat(held).exists();
    Files.delete(held);
    leaves.arm(LIMITS).release();
    assertThat(held.getParent()).doesNotExist();
    leaves.close();
  }

  @Test
  void whatDidNotEndInTimeIsTriedAgainAtEachLaunchAndInTheEnd() throws Exception {
    Path held = giveUp();
    leaves.arm(LIMITS).release();
    assertThat(held).exists();
    Files.delete(held);
    leaves.close();
    assertThat(held.getParent()).doesNotExist();
  }

  /** Returns a file in a leaf that cannot be removed for it, and that nobody waits for any more. */
  private Path giveUp() throws Exception {
    Leaves.Lease lease = leaves.arm(LIMITS);
    Path held = Files.createFile(lease.directory().orElseThrow().resolve("held"));
    lease.release();
    Eventually.await("it is waited for no more", LeavesTest::nobodyRemoves);
    return held;
  }

  private static boolean nobodyRemoves() {
    return Thread.getAllStackTraces().keySet().stream()
        .noneMatch(thread -> thread.getName().equals("memguard-removing-leaf"));
  }
}
