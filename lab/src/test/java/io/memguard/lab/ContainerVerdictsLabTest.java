package io.memguard.lab;

import static io.memguard.lab.LeafLabTest.verdicts;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Children of a container, with and without a cgroup of their own. */
@Tag("lab")
@DisplayName("In a container")
class ContainerVerdictsLabTest {
  private static final String RUNS = "3";
  private static final int THREE = 3;
  private static final LabContainer POD = LabContainer.withMemory("128M");

  /** Makes room for leaves, as an entry point would, and becomes the supervisor. */
  private static final String MOVE =
      "mkdir /sys/fs/cgroup/supervisor && echo 0 >/sys/fs/cgroup/supervisor/cgroup.procs && exec \"$@\"";

  @Test
  @DisplayName("whose cgroups are read-only, a child without a limit runs into the container's")
  void readOnly() throws Exception {
    LabContainer.Result container =
        POD.with("--oom-group", "0").run(command("prefer", "none", "rlimit", RUNS, "greedy"));
    assertThat(container.exitStatus()).as(container.output()).isZero();
    assertThat(lines(container)).hasSize(THREE).containsOnly("verdict: CONTAINER PROBABLE");
    assertThat(container.output()).contains("read-only", "cgroup / around it reached its limit");
  }

  @Test
  @DisplayName(
      "whose cgroups are read-only, a child that a stranger kills was killed by a stranger")
  void readOnlyStranger() throws Exception {
    LabContainer.Result container =
        POD.with("--oom-group", "0").run(command("prefer", "64MiB", "no-rlimit", RUNS, "sleep"));
    assertThat(container.exitStatus()).as(container.output()).isZero();
    assertThat(lines(container)).hasSize(THREE).containsOnly("verdict: Signalled");
  }

  @Test
  @DisplayName("whose cgroups are read-only, a leaf that is required says what to do")
  void readOnlyRequired() throws Exception {
    LabContainer.Result container = POD.run(command("require", "64MiB", "rlimit", "1", "clean"));
    assertThat(container.exitStatus()).isEqualTo(1);
    assertThat(container.output()).contains("LaunchException", "read-only", "cgroup_writable");
  }

  @ParameterizedTest
  @ValueSource(strings = {"clone3 allowed", "clone3 refused"})
  @DisplayName("that is killed as a whole, a child's leaf keeps the kill to itself")
  void writable(String clone3) throws Exception {
    LabContainer pod = POD.with("--cgroup", "rw", "--oom-group", "1");
    LabContainer.Result container =
        (clone3.endsWith("refused") ? pod.with("--no-clone3") : pod)
            .run(moved(command("require", "24MiB", "no-rlimit", RUNS, "greedy")));
    assertThat(container.exitStatus()).as(container.output()).isZero();
    assertThat(lines(container)).hasSize(THREE).containsOnly("verdict: OWN_CGROUP CERTAIN");
    assertThat(container.output()).contains("supervisor lives");
  }

  @Test
  @DisplayName("whose own limit is lower than the leaf's, it is the container's that is named")
  void containersLimitWithALeaf() throws Exception {
    LabContainer.Result container =
        POD.with("--cgroup", "rw", "--oom-group", "0")
            .run(moved(command("require", "512MiB", "no-rlimit", RUNS, "greedy")));
    assertThat(container.exitStatus()).as(container.output()).isZero();
    assertThat(lines(container)).hasSize(THREE).containsOnly("verdict: CONTAINER CERTAIN");
  }

  private static List<String> lines(LabContainer.Result container) {
    return verdicts(container.output().lines().toList());
  }

  private static String[] command(String... arguments) {
    return LeafSupervisor.command(arguments).toArray(String[]::new);
  }

  private static String[] moved(String[] command) {
    List<String> all = new ArrayList<>(List.of("sh", "-c", MOVE, "sh"));
    all.addAll(List.of(command));
    return all.toArray(String[]::new);
  }
}
