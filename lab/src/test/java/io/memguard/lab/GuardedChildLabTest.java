package io.memguard.lab;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The cure: the same greedy child under memguard, in a container as Kubernetes makes it. */
@Tag("lab")
@DisplayName("A greedy child of a Java supervisor")
class GuardedChildLabTest {
  private static final LabContainer POD = LabContainer.withMemory("128M");

  @Test
  @DisplayName("takes the supervisor along when it is started by ProcessBuilder")
  void unguardedItEndsTheContainer() throws Exception {
    LabContainer.Result container = POD.run(supervisor("unguarded"));

    assertThat(container.exitStatus()).isEqualTo(137);
    assertThat(container.output()).contains("supervisor up").doesNotContain("child ended");
    assertThat(container.count("oom_group_kill")).hasValue(1);
  }

  @Test
  @DisplayName("is refused memory when it is started by memguard, and nobody is killed")
  void guardedItIsRefused() throws Exception {
    LabContainer.Result container = POD.run(supervisor("32MiB"));

    assertThat(container.exitStatus()).isZero();
    assertThat(container.output())
        .contains("engine: NATIVE", "outcome: OutOfMemory")
        .contains("was refused under RLIMIT_DATA 32MiB");
    assertThat(container.count("oom_kill")).hasValue(0);
    assertThat(container.count("oom_group_kill")).hasValue(0);
  }

  @Test
  @DisplayName("is ended by memguard where resource limits are taken and forgotten")
  void whereLimitsDoNothingItIsWatched() throws Exception {
    LabContainer.Result container = POD.with("--ignore-rlimits").run(supervisor("32MiB"));

    assertThat(container.exitStatus()).isZero();
    assertThat(container.output())
        .contains("outcome: OutOfMemory")
        .containsPattern("memguard ended it: it had .* of 32MiB \\(");
    assertThat(container.count("oom_kill")).hasValue(0);
  }

  @Test
  @DisplayName("is killed before the supervisor where it has no limit and the kernel must choose")
  void theKernelTakesTheChildFirst() throws Exception {
    LabContainer.Result container = POD.with("--oom-group", "0").run(supervisor("none"));

    assertThat(container.exitStatus()).isZero();
    assertThat(container.output()).contains("outcome: OutOfMemory", "reached its limit");
    assertThat(container.count("oom_kill")).hasValue(1);
  }

  private static String[] supervisor(String limit) {
    return LeafSupervisor.command(Supervisor.class, limit).toArray(String[]::new);
  }
}
