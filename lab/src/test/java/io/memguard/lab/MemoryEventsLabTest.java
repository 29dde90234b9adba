package io.memguard.lab;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a listener is told while a child lives. */
@Tag("lab")
@DisplayName("The listener of a child with a cgroup of its own")
class MemoryEventsLabTest {
  private static final Path SERVICE = Path.of("/sys/fs/cgroup/listening");
  private static final long PATIENCE_SECONDS = 120;

  @BeforeEach
  void makeService() throws IOException {
    Files.createDirectories(SERVICE.resolve("supervisor"));
  }

  @AfterEach
  void removeService() throws IOException {
    Files.delete(SERVICE.resolve("supervisor"));
    Files.delete(SERVICE); // fails if a leaf is left
  }

  @Test
  @DisplayName("is told that it is slowed down")
  void high() throws Exception {
    List<String> said = listen("native", "high");
    assertThat(said).contains("alive: HIGH", "verdict: Exited").doesNotContain("alive: OOM");
  }

  @Test
  @DisplayName("is told that it reached its limit, though page cache made room")
  void max() throws Exception {
    List<String> said = listen("native", "max");
    assertThat(said).contains("alive: MAX", "verdict: Exited").doesNotContain("alive: OOM");
  }

  @Test
  @DisplayName("is told who of its descendants was killed while it lives on")
  void descendant() throws Exception {
    List<String> said = listen("native", "descendant");
    String prefix = "descendant: ";
    String pid = said.stream().filter(line -> line.startsWith(prefix)).findFirst().orElseThrow();
    assertThat(said)
        .contains(
            "alive: OOM_KILL [Victim[pid=" + pid.substring(prefix.length()) + ", name=perl]]",
            "verdict: Exited");
  }

  @ParameterizedTest
  @ValueSource(strings = {"native", "portable"})
  @DisplayName("is told all before the outcome is known")
  void itself(String engine) throws Exception {
    List<String> said = listen(engine, "itself");
    assertThat(said)
        .containsSubsequence("told: MAX", "told: OOM")
        .anyMatch(line -> line.startsWith("told: OOM_KILL"))
        .endsWith("verdict: OWN_CGROUP CERTAIN");
  }

  @Test
  @DisplayName("costs one descriptor and one thread, and a thousand launches leave nothing")
  void many() throws Exception {
    assertThat(listen("native", "many"))
        .containsExactly(
            "without a listener: [] []",
            "without a leaf: [] []",
            "descriptors more: 0",
            "with listeners: [0] [memguard-events]",
            "after the guard: [] []");
  }

  private static List<String> listen(String engine, String what) throws Exception {
    List<String> command = new ArrayList<>();
    command.addAll(
        List.of(
            "sh", "-c", "echo 0 >\"$0\"/supervisor/cgroup.procs; exec \"$@\"", SERVICE.toString()));
    List<String> java = new ArrayList<>(LeafSupervisor.command(Listener.class, what));
    java.add(1, "-Dmemguard.engine=" + engine);
    command.addAll(java);
    Path output = Files.createTempFile("listener", ".out");
    Process process =
        new ProcessBuilder(command)
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    boolean ended = process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS);
    process.destroyForcibly().waitFor();
    String said = Files.readString(output, UTF_8);
    System.out.println(said);
    Files.delete(output);
    assertThat(ended).as(said).isTrue();
    assertThat(process.exitValue()).as(said).isZero();
    return said.lines().toList();
  }
}
