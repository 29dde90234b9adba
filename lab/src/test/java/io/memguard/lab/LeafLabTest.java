package io.memguard.lab;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A cgroup for each child, where the supervisor was put into one named so that there is room. */
@Tag("lab")
@DisplayName("A child in a cgroup of its own")
class LeafLabTest {
  private static final Path SERVICE = Path.of("/sys/fs/cgroup/service");
  private static final String RUNS = "5";
  private static final int FIVE = 5;

  @BeforeEach
  void makeService() throws IOException {
    Files.createDirectories(SERVICE.resolve("supervisor"));
  }

  @AfterEach
  void removeService() throws IOException {
    assertThat(leaves()).isEmpty();
    Files.delete(SERVICE.resolve("supervisor"));
    Files.delete(SERVICE);
  }

  @ParameterizedTest
  @ValueSource(strings = {"native", "portable"})
  @DisplayName("that outgrows it is said to have done so, for certain")
  void ownLimit(String engine) throws Exception {
    List<String> said = supervise(engine, "require", "24MiB", "no-rlimit", RUNS, "greedy");
    assertThat(verdicts(said)).hasSize(FIVE).containsOnly("verdict: OWN_CGROUP CERTAIN");
    assertThat(said).filteredOn(line -> line.startsWith("leaf: true")).hasSize(FIVE);
    assertThat(said).endsWith("supervisor lives");
  }

  @Test
  @DisplayName("is refused memory before the kernel has to kill")
  void theLimitWithinComesFirst() throws Exception {
    List<String> said = supervise("native", "require", "24MiB", "rlimit", RUNS, "greedy");
    assertThat(verdicts(said)).hasSize(FIVE).containsOnly("verdict: ALLOCATION_DENIED CERTAIN");
  }

  @Test
  @DisplayName("is killed with all its descendants when only together they are too large")
  void aCrowd() throws Exception {
    List<String> said = supervise("native", "require", "24MiB", "rlimit", "2", "crowd");
    assertThat(verdicts(said)).hasSize(2).containsOnly("verdict: OWN_CGROUP CERTAIN");
  }

  @ParameterizedTest
  @ValueSource(strings = {"native", "portable"})
  @DisplayName("that a stranger kills was killed by a stranger")
  void stranger(String engine) throws Exception {
    List<String> said = supervise(engine, "require", "24MiB", "no-rlimit", RUNS, "sleep");
    assertThat(verdicts(said)).hasSize(FIVE).containsOnly("verdict: Signalled");
  }

  @ParameterizedTest
  @ValueSource(strings = {"native", "portable"})
  @DisplayName("has what its cgroup says, as long as it lives")
  void memory(String engine) throws Exception {
    List<String> said = supervise(engine, "require", "48MiB", "no-rlimit", "1", "holds");
    assertThat(said).contains("memory: CGROUP, what it holds, of its limit, processes 1");
  }

  @Test
  @DisplayName("that ends well leaves nothing behind")
  void clean() throws Exception {
    List<String> said = supervise("native", "require", "24MiB", "rlimit", "50", "clean");
    assertThat(verdicts(said)).hasSize(50).containsOnly("verdict: Exited 0");
  }

  @Test
  @DisplayName("is ended at the next start where its JVM was killed, and nobody else's is")
  void leftovers() throws Exception {
    Process killed = start("native", "require", "24MiB", "rlimit", "1", "hang");
    Process living = start("native", "require", "24MiB", "rlimit", "1", "hang");
    try (BufferedReader killedSays = killed.inputReader(UTF_8);
        BufferedReader livingSays = living.inputReader(UTF_8)) {
      long orphan = childOf(killedSays);
      long neighbour = childOf(livingSays);
      assertThat(leaves()).hasSize(2);
      killed.destroyForcibly().waitFor();
      assertThat(leaves()).hasSize(2);

      supervise("native", "require", "24MiB", "rlimit", "1", "clean");
      assertThat(leaves()).singleElement().asString().contains("-" + living.pid() + "-");
      assertThat(ProcessHandle.of(orphan).filter(ProcessHandle::isAlive)).isEmpty();
      assertThat(ProcessHandle.of(neighbour).filter(ProcessHandle::isAlive)).isPresent();
    } finally {
      living.destroyForcibly().waitFor();
    }
    supervise("native", "require", "24MiB", "rlimit", "1", "clean");
  }

  @Test
  @DisplayName(
      "cannot be had where cgroups are read-only, and whoever requires it is told what to do")
  void readOnlyAndRequired() throws Exception {
    String[] command =
        LeafSupervisor.command("require", "64MiB", "rlimit", "1", "clean").toArray(String[]::new);
    LabContainer.Result container = LabContainer.withMemory("128M").run(command);
    assertThat(container.exitStatus()).isEqualTo(1);
    assertThat(container.output()).contains("LaunchException", "read-only", "cgroup_writable");
  }

  private static long childOf(BufferedReader supervisor) throws IOException {
    for (String line = supervisor.readLine(); line != null; line = supervisor.readLine()) {
      if (line.startsWith("child: ")) {
        return Long.parseLong(line.substring("child: ".length()));
      }
    }
    throw new AssertionError("the supervisor ended before it had a child");
  }

  private static List<Path> leaves() throws IOException {
    try (Stream<Path> all = Files.list(SERVICE)) {
      return all.filter(path -> path.getFileName().toString().startsWith("memguard-")).toList();
    }
  }

  static List<String> verdicts(List<String> said) {
    return said.stream().filter(line -> line.startsWith("verdict: ")).toList();
  }

  private static List<String> supervise(String... arguments) throws Exception {
    Process process = start(arguments);
    String said = new String(process.getInputStream().readAllBytes(), UTF_8);
    assertThat(process.waitFor()).as(said).isZero();
    System.out.println(said);
    return said.lines().toList();
  }

  private static Process start(String engine, String... arguments) throws IOException {
    List<String> command = new ArrayList<>();
    command.addAll(
        List.of(
            "sh", "-c", "echo 0 >\"$0\"/supervisor/cgroup.procs; exec \"$@\"", SERVICE.toString()));
    List<String> java = new ArrayList<>(LeafSupervisor.command(arguments));
    java.add(1, "-Dmemguard.engine=" + engine);
    command.addAll(java);
    return new ProcessBuilder(command).redirectErrorStream(true).start();
  }

  private static Process start(String[] all) throws IOException {
    return start(all[0], Stream.of(all).skip(1).toArray(String[]::new));
  }
}
