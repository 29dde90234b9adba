package io.memguard.lab;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What a listener is told while a child lives. */
@Tag("lab")
@DisplayName("The listener of a child with a cgroup of its own")
class MemoryEventsLabTest {
  @Test
  @DisplayName("is told that it is slowed down")
  void high() throws Exception {
    List<String> said = listen("native", "high");
    assertThat(said).contains("alive: HIGH", "verdict: Exited 0").doesNotContain("alive: OOM");
  }

  @Test
  @DisplayName("is told that it reached its limit, though page cache made room")
  void max() throws Exception {
    List<String> said = listen("native", "max");
    assertThat(said).contains("alive: MAX", "verdict: Exited 0").doesNotContain("alive: OOM");
  }

  @Test
  @DisplayName("is told who of its descendants was killed while it lives on")
  void descendant() throws Exception {
    killedAlone("descendant");
  }

  @Test
  @DisplayName("is told that a worker was killed, and not its supervisor, though that is larger")
  void worker() throws Exception {
    killedAlone("worker");
  }

  private static void killedAlone(String what) throws Exception {
    List<String> said = listen("native", what);
    String prefix = "descendant: ";
    String pid = said.stream().filter(line -> line.startsWith(prefix)).findFirst().orElseThrow();
    assertThat(said)
        .contains(
            "alive: OOM_KILL process "
                + pid.substring(prefix.length())
                + " (perl) was killed by the kernel for lack of memory",
            "verdict: Exited 0");
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
  @DisplayName("costs one descriptor and one thread, and many launches leave nothing")
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
    List<String> command = new ArrayList<>(LeafSupervisor.command(Listener.class, what));
    command.add(1, "-Dmemguard.engine=" + engine);
    try (LabService service = LabService.withSupervisor("listening")) {
      LabService.Result result = service.run(command.toArray(String[]::new));
      assertThat(result.exitStatus()).isZero();
      // The log is there as well, and a line of another thread's may come whenever it likes.
      return result.output().lines().filter(line -> !line.startsWith("[")).toList();
    }
  }
}
