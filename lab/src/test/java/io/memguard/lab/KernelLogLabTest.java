package io.memguard.lab;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Two children and one limit, which is lowered under them: the kernel kills both within
 * milliseconds. Where its log is readable, each verdict is certain.
 */
@Tag("lab")
@DisplayName("Two children that are killed at once")
class KernelLogLabTest {
  private static final Path POD = Path.of("/sys/fs/cgroup/pod");
  private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(120);
  private static final long MIB = 1L << 20;

  /** More than one child holds, and less than both do. */
  private static final long BOTH = (TwoAtOnce.MIB + TwoAtOnce.MIB / 2) * MIB;

  /** Less than one child holds. */
  private static final long ONE = TwoAtOnce.MIB / 2 * MIB;

  /** The kernel must not take the supervisor while what it has killed is still ending. */
  private static final String HERE =
      "echo 0 >\"$0\"/supervisor/cgroup.procs && echo -1000 >/proc/self/oom_score_adj && exec \"$@\"";

  /** As in many containers: another file lies where the log would be. */
  private static final String NO_LOG = "mount --bind /dev/null /dev/kmsg && " + HERE;

  private final Path ready = Path.of("/tmp/both-hold-it");

  @BeforeEach
  void makePod() throws IOException {
    Files.createDirectories(POD.resolve("supervisor"));
    Files.deleteIfExists(ready);
  }

  @AfterEach
  void removePod() throws Exception {
    Files.writeString(POD.resolve("cgroup.kill"), "1");
    while (Files.readString(POD.resolve("cgroup.events")).contains("populated 1")) {
      TimeUnit.MILLISECONDS.sleep(5);
    }
    Files.delete(POD.resolve("supervisor"));
    Files.delete(POD);
  }

  @ParameterizedTest
  @ValueSource(strings = {"off", "require"})
  @DisplayName("are each named by the kernel's log, with the limit, where it is readable")
  void named(String leaf) throws Exception {
    List<String> said = squeeze(List.of("sh", "-c", HERE), BOTH, leaf, "alone");
    assertThat(LeafLabTest.verdicts(said))
        .containsExactly("verdict: CONTAINER CERTAIN", "verdict: CONTAINER CERTAIN");
    assertThat(said)
        .as("besides the lines of memguard's log")
        .filteredOn(line -> !line.startsWith("["))
        .filteredOn(line -> line.contains("log says that cgroup /pod around it reached its limit"))
        .hasSize(2);
  }

  @ParameterizedTest
  @ValueSource(strings = {"off", "require"})
  @DisplayName("are never sure whose limit it was where it is not readable")
  void unnamed(String leaf) throws Exception {
    List<String> command = List.of("unshare", "--mount", "sh", "-c", NO_LOG);
    List<String> said = squeeze(command, BOTH, leaf, "alone");
    assertThat(LeafLabTest.verdicts(said))
        .hasSize(2)
        .allMatch(verdict -> verdict.startsWith("verdict: CONTAINER "))
        .filteredOn(verdict -> !verdict.endsWith("CERTAIN"))
        .hasSizeGreaterThanOrEqualTo(leaf.equals("off") ? 2 : 1);
  }

  @ParameterizedTest
  @ValueSource(strings = {"stranger", "threadless"})
  @DisplayName("one of them by a stranger, are told apart as far as that can be")
  void strangersVictim(String who) throws Exception {
    Files.writeString(POD.resolve("cgroup.subtree_control"), "+pids");
    List<String> said = squeeze(List.of("sh", "-c", HERE), ONE, "off", who);
    assertThat(LeafLabTest.verdicts(said))
        .containsExactly("verdict: CONTAINER CERTAIN", "verdict: CONTAINER POSSIBLE");
    assertThat(said).anyMatch(line -> line.contains("the kernel's log does not name it"));
  }

  @Test
  @DisplayName("or one of them, in a container that was given the log, are named by their cgroups")
  void inAContainer() throws Exception {
    LabContainer.Result container =
        LabContainer.withMemory("128M")
            .with("--cgroup", "rw", "--oom-group", "0", "--bind", "/dev/kmsg:/dev/kmsg")
            .run(
                "sh",
                "-c",
                "mkdir /sys/fs/cgroup/supervisor && echo 0 >/sys/fs/cgroup/supervisor/cgroup.procs && "
                    + String.join(
                        " ",
                        LeafSupervisor.command("require", "512MiB", "no-rlimit", "1", "greedy")));
    assertThat(container.exitStatus()).as(container.output()).isZero();
    assertThat(container.output())
        .contains("verdict: CONTAINER CERTAIN")
        .containsPattern("the kernel's log says that cgroup /kubepods/pod-\\S+ around it");
  }

  /** Starts the supervisor and, when both hold their memory, lowers the limit by so much. */
  private List<String> squeeze(List<String> shell, long bytes, String leaf, String who)
      throws Exception {
    List<String> command = new ArrayList<>(shell);
    command.add(POD.toString());
    command.addAll(LeafSupervisor.command(TwoAtOnce.class, ready.toString(), leaf, who));
    Path output = Files.createTempFile("two", ".out");
    Process supervisor =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    try {
      long deadline = System.nanoTime() + PATIENCE_NANOS;
      while (!Files.exists(ready) && supervisor.isAlive() && deadline - System.nanoTime() > 0) {
        TimeUnit.MILLISECONDS.sleep(5);
      }
      assertThat(ready).as(Files.readString(output, UTF_8)).exists();
      Path current = POD.resolve("memory.current");
      long now = Long.parseLong(Files.readString(current).strip());
      Files.writeString(POD.resolve("memory.max"), Long.toString(now - bytes));
      assertThat(supervisor.waitFor(PATIENCE_NANOS, TimeUnit.NANOSECONDS)).isTrue();
    } finally {
      supervisor.destroyForcibly().waitFor();
    }
    String said = Files.readString(output, UTF_8);
    System.out.println(said);
    assertThat(supervisor.exitValue()).as(said).isZero();
    Files.delete(output);
    return Stream.of(said.split("\n", -1)).toList();
  }
}
