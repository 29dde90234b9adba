package io.memguard.lab;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The problem itself, without memguard: what a greedy child does to the container around it. */
@Tag("lab")
@DisplayName("A plain child that outgrows its container")
class GroupKillLabTest {
  /** A supervisor that starts a child which fills 200 MB, and says how the child ended. */
  private static final String[] SUPERVISOR = {
    "sh", "-c", "echo supervisor up; perl -e '$x = q(x) x 200_000_000'; echo \"child ended: $?\""
  };

  @Test
  @DisplayName("takes its supervisor along where memory.oom.group is 1")
  void groupKillEndsTheSupervisor() throws Exception {
    LabContainer.Result container =
        LabContainer.withMemory("48M").with("--oom-group", "1").run(SUPERVISOR);

    assertThat(container.exitStatus()).isEqualTo(137);
    assertThat(container.output().lines()).containsExactly("supervisor up");
    assertThat(container.count("oom_group_kill")).hasValue(1);
  }

  @Test
  @DisplayName("dies alone where memory.oom.group is 0")
  void withoutGroupKillTheSupervisorLives() throws Exception {
    LabContainer.Result container =
        LabContainer.withMemory("48M").with("--oom-group", "0").run(SUPERVISOR);

    assertThat(container.exitStatus()).isZero();
    assertThat(container.output().lines()).contains("supervisor up", "child ended: 137");
    assertThat(container.count("oom_group_kill")).hasValue(0);
    assertThat(container.count("oom_kill")).hasValue(1);
  }

  @Test
  @DisplayName("cannot be spared by the container itself: its cgroup is read-only")
  void containerCannotDisarmTheGroupKill() throws Exception {
    LabContainer.Result container =
        LabContainer.withMemory("48M")
            .run(
                "sh",
                "-c",
                "cat /sys/fs/cgroup/memory.oom.group; echo 0 >/sys/fs/cgroup/memory.oom.group");

    assertThat(container.exitStatus()).isNotZero();
    assertThat(container.output()).startsWith("1\n").contains("Read-only file system");
  }
}
