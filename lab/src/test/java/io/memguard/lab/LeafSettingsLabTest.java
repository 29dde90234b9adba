package io.memguard.lab;

import static io.memguard.lab.LabService.memguard;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What only a cgroup can limit, read by the child in its own. */
@Tag("lab")
@DisplayName("A leaf's settings")
class LeafSettingsLabTest {
  private static final String SHOW =
      "cd /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup)"
          + " && for name in memory.max memory.high memory.swap.max memory.oom.group pids.max; do"
          + " echo \"$name $(cat $name 2>&1)\"; done";

  @ParameterizedTest
  @ValueSource(strings = {"native", "portable"})
  @DisplayName("are what was asked for")
  void asAskedFor(String engine) throws Exception {
    try (LabService service = LabService.withSupervisor("settings")) {
      LabService.Result result =
          service.run(
              memguard(
                  engine,
                  "--cgroup=require",
                  "--memory=64MiB",
                  "--memory-high=40MiB",
                  "--pids-max=20",
                  "sh",
                  "-c",
                  SHOW));
      assertThat(result.output().lines())
          .contains(
              "memory.max " + (96 << 20),
              "memory.high " + (40 << 20),
              "memory.swap.max 0",
              "memory.oom.group 1",
              "pids.max 20")
          .noneMatch(line -> line.startsWith("memguard: "));
    }
  }

  @Test
  @DisplayName("need no limit on memory")
  void processesAlone() throws Exception {
    try (LabService service = LabService.withSupervisor("settings")) {
      LabService.Result result =
          service.run(
              memguard("native", "--pids-max=3", "sh", "-c", "sleep 9 & sleep 9 & sleep 9 & wait"));
      assertThat(result.output()).containsIgnoringCase("fork");
      assertThat(result.exitStatus()).isEqualTo(2);
    }
  }

  @Test
  @DisplayName("grow along with the memory when the child is tried again")
  void growOnRetry() throws Exception {
    String crowd =
        "for i in 1 2 3 4 5 6 7 8; do perl -e '$x = q(x) x 10_000_000; sleep 60' & done; wait";
    try (LabService service = LabService.withSupervisor("settings")) {
      LabService.Result result =
          service.run(
              memguard(
                  "native",
                  "--cgroup=require",
                  "--memory=24MiB",
                  "--retries=1",
                  "sh",
                  "-c",
                  SHOW + "; " + crowd));
      assertThat(result.output())
          .containsSubsequence(
              "memory.max " + (56 << 20),
              "memguard: attempt 1 of 2: It was killed, and its own cgroup",
              "trying again with 48MiB",
              "memory.max " + (80 << 20));
    }
  }

  @Test
  @DisplayName("that the kernel refuses here are said to be lacking, or end the launch if required")
  void withoutThePidsController() throws Exception {
    Path parent = withMemoryOnly();
    try (LabService service = LabService.withSupervisor(parent.getFileName() + "/settings")) {
      String why = "pids.max 20 needs the pids controller, which cgroup /memory-only/settings";
      LabService.Result preferred =
          service.run(
              memguard("native", "--memory=64MiB", "--pids-max=20", "--cgroup", "sh", "-c", SHOW));
      assertThat(preferred.exitStatus()).isZero();
      assertThat(preferred.output())
          .contains("memguard: warning: cgroup-leaf: " + why, "memory.max " + (96 << 20))
          .contains("pids.max cat: ");

      LabService.Result required =
          service.run(memguard("native", "--pids-max=20", "--cgroup=require", "sh", "-c", SHOW));
      assertThat(required.exitStatus()).isEqualTo(125);
      assertThat(required.output())
          .contains("a cgroup of its own is required and cannot be had: " + why, "write +pids")
          .doesNotContain("memory.max ");
    } finally {
      Files.delete(parent);
    }
  }

  private static Path withMemoryOnly() throws IOException {
    Path parent = Files.createDirectory(Path.of("/sys/fs/cgroup/memory-only"));
    Files.writeString(parent.resolve("cgroup.subtree_control"), "+memory");
    return parent;
  }
}
