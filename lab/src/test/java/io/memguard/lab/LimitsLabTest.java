package io.memguard.lab;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.DisplayName;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What resource limits stop is found out; here on kernels where RLIMIT_DATA stops no mapping. */
@Tag("lab")
@DisplayName("That RLIMIT_DATA does nothing is found out and said")
class LimitsLabTest {
  /** With it the kernel holds RLIMIT_DATA against brk alone, as gVisor does. */
  private static final Path IGNORE = Path.of("/sys/module/kernel/parameters/ignore_rlimit_data");

  private static final String SAID =
      "warning: no rlimit-data: RLIMIT_DATA does nothing here: a probe child got all the memory it mapped under it";

  @ParameterizedTest
  @ValueSource(strings = {"native", "portable"})
  @DisplayName("where the kernel ignores it but for brk")
  void brkAlone(String engine) throws Exception {
    assertThat(onTheMachine(engine)).doesNotContain("warning");
    Files.writeString(IGNORE, "Y");
    try {
      assertThat(onTheMachine(engine)).contains(SAID + ", and was refused only brk(2)");
    } finally {
      Files.writeString(IGNORE, "N");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"native", "portable"})
  @DisplayName("in a container whose seccomp profile has limits taken and forgotten")
  void forgotten(String engine) throws Exception {
    LabContainer.Result container =
        LabContainer.withMemory("128M").with("--ignore-rlimits").run(memguard(engine));
    assertThat(container.exitStatus()).as(container.output()).isZero();
    assertThat(container.output()).contains(SAID).doesNotContain("brk");
  }

  private static String onTheMachine(String engine) throws Exception {
    Process process = new ProcessBuilder(memguard(engine)).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes(), UTF_8);
    assertThat(process.waitFor()).as(output).isZero();
    return output;
  }

  private static String[] memguard(String engine) {
    return LabService.memguard(engine, "--memory=32MiB", "true");
  }
}
