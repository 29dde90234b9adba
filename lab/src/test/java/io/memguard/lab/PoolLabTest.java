package io.memguard.lab;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A worker pool in the container that Kubernetes makes: killed as a whole, cgroups read-only. */
@Tag("lab")
@DisplayName("A worker pool in a stock pod")
class PoolLabTest {
  private static final Path LAB = Path.of(System.getProperty("memguard.lab"));

  private static LabContainer.Result pool(String how) throws Exception {
    return LabContainer.withMemory("200M")
        .with("--oom-group", "1", "--cgroup", "ro")
        .run(
            LAB.resolve("java").toString(),
            "-Xint",
            "-Xmx32m",
            "io.memguard.lab.PoolSupervisor",
            LAB.resolve("pool-worker.pl").toString(),
            how);
  }

  @RepeatedTest(3)
  @DisplayName("loses nothing, and its supervisor lives")
  void losesNothing() throws Exception {
    LabContainer.Result container = pool("guarded");

    assertThat(container.output().lines())
        .contains(
            "supervisor up",
            "honest: right: 54",
            "huge: quarantined for ALLOCATION_DENIED: 3",
            "grow: quarantined for ALLOCATION_DENIED: 3",
            "left: 0");
    assertThat(container.exitStatus()).isZero();
    assertThat(container.count("oom_kill")).hasValue(0);
  }

  @Test
  @DisplayName("is killed with its supervisor where nothing limits it")
  void isKilledAsAWhole() throws Exception {
    LabContainer.Result container = pool("unlimited");

    assertThat(container.output().lines())
        .containsOnlyOnce("supervisor up")
        .noneMatch("left: 0"::equals);
    assertThat(container.exitStatus()).isEqualTo(137);
    assertThat(container.count("oom_group_kill")).hasValue(1);
  }
}
