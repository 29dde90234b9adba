package io.memguard.lab;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Nothing of a leaf outlives its child, and nothing of a killed JVM the next one's first launch.
 */
@Tag("lab")
@DisplayName("What is left of leaves")
class LeftoversLabTest {
  /** A child that makes cgroups of its own within its leaf, and has processes in them. */
  private static final String NESTING =
      "cd /sys/fs/cgroup$(cut -d: -f3 /proc/self/cgroup) && mkdir -p a/b/c d"
          + " && { sleep 1000 & echo $! >a/b/cgroup.procs; sleep 1000 & echo $! >d/cgroup.procs; }";

  /** Without cgroup.kill, as before Linux 5.14. */
  private static final String OLD_KERNEL = "native -Dmemguard.cgroup.kill=off";

  /** Whoever is looked up has a child already, and is gone. */
  private static final String HOPPING = "fork and exit while 1";

  @ParameterizedTest
  @ValueSource(strings = {"native", "portable", OLD_KERNEL})
  @DisplayName("is nothing, also where the child made cgroups of its own")
  void nested(String engine) throws Exception {
    try (LabService service = LabService.withSupervisor("left")) {
      LabService.Result result =
          service.run(
              LabService.memguard(
                  engine,
                  "--cgroup=require",
                  "--memory=64MiB",
                  "sh",
                  "-c",
                  NESTING + "; ls -d a/b/c"));
      assertThat(result.output()).contains("a/b/c");
      assertThat(result.exitStatus()).isZero();
      assertThat(service.leaves()).isEmpty();
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"native", OLD_KERNEL})
  @DisplayName("is nothing, also where somebody in it forks on and on")
  void forking(String options) throws Exception {
    try (LabService service = LabService.withSupervisor("left")) {
      LabService.Result result =
          service.run(
              LabService.memguard(
                  options, "--cgroup=require", "--memory=64MiB", "perl", "-e", HOPPING));
      assertThat(result.exitStatus()).as(result.output()).isZero();
      assertThat(service.leaves()).isEmpty();
    }
  }

  @Test
  @DisplayName(
      "of a JVM that was killed is removed at the next start, and nothing of a living one's")
  void killed() throws Exception {
    try (LabService service = LabService.withSupervisor("left")) {
      String script = NESTING + "; echo; exec sleep 1000";
      Process victim = service.command(LeafLauncher.command("native", "hold", "3", script)).start();
      Process living = service.command(LeafLauncher.command("native", "hold", "2", script)).start();
      Files.createDirectory(service.directory().resolve("stranger"));
      try (BufferedReader victimSays = victim.inputReader(UTF_8);
          BufferedReader livingSays = living.inputReader(UTF_8)) {
        List<Long> orphans = children(victimSays);
        List<Long> others = children(livingSays);
        victim.destroyForcibly().waitFor();
        assertThat(service.leaves()).hasSize(5);

        LabService.Result next =
            service.run(
                LabService.memguard("native", "--cgroup=require", "--memory=64MiB", "true"));
        assertThat(next.exitStatus()).as(next.output()).isZero();
        assertThat(orphans).noneMatch(LeftoversLabTest::lives);
        assertThat(others).hasSize(2).allMatch(LeftoversLabTest::lives);
        assertThat(service.leaves())
            .hasSize(2)
            .allSatisfy(
                leaf -> {
                  assertThat(leaf.toString()).contains("-" + living.pid() + "-");
                  assertThat(leaf.resolve("a/b/c")).isDirectory();
                });
        assertThat(service.directory().resolve("stranger")).isDirectory();
      } finally {
        victim.destroyForcibly().waitFor();
        living.destroyForcibly().waitFor();
        Files.delete(service.directory().resolve("stranger"));
      }
      service.run(LabService.memguard("native", "--cgroup=require", "--memory=64MiB", "true"));
    }
  }

  /** How many is a parameter: in the lab's slow kernel each takes milliseconds. */
  @Test
  @DisplayName("of many launches is no leaf, descriptor, watch or thread")
  void many() throws Exception {
    String launches = System.getenv().getOrDefault("MEMGUARD_LAUNCHES", "500");
    try (LabService service = LabService.withSupervisor("left")) {
      LabService.Result result = service.run(LeafLauncher.command("native", "many", launches));
      assertThat(result.output().lines())
          .contains("descriptors more: 0", "threads more: 0", "watches: 0")
          .anyMatch(line -> line.startsWith(launches + " launches in "));
      assertThat(service.leaves()).isEmpty();
    }
  }

  private static boolean lives(long pid) {
    Path status = Path.of("/proc/" + pid + "/status");
    try {
      return Files.readAllLines(status).stream().noneMatch(line -> line.startsWith("State:\tZ"));
    } catch (IOException e) {
      return false;
    }
  }

  private static List<Long> children(BufferedReader launcher) throws IOException {
    List<Long> pids = new ArrayList<>();
    for (String line = launcher.readLine(); line != null; line = launcher.readLine()) {
      if (line.equals("all")) {
        return pids;
      }
      if (line.startsWith("child: ")) {
        pids.add(Long.parseLong(line.substring("child: ".length())));
      }
    }
    throw new AssertionError("it ended before it had all its children");
  }
}
