package io.memguard.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A Jupyter kernel under {@code memguard run}, asked by Jupyter's own client: the example's check.
 */
class NotebookTest {
  private static final String PYTHON = "/usr/bin/python3"; // whose modules bin/setup installs
  private static final Path EXAMPLE = Path.of("..", "memguard-examples", "notebook");
  private static final long PATIENCE_SECONDS = 300;

  @TempDir Path directory;

  @BeforeAll
  static void requireJupyter() throws Exception {
    Process process =
        new ProcessBuilder(PYTHON, "-c", "import ipykernel, jupyter_client, numpy").start();
    boolean mustWork = "1".equals(System.getenv("MEMGUARD_MUST_WORK"));
    assumeTrue(
        process.waitFor() == 0 || mustWork,
        "needs python3-ipykernel, python3-jupyter-client and python3-numpy");
  }

  @ParameterizedTest
  @ValueSource(strings = {"memory", "numpy", "interrupt", "restart", "killed", "outgrown"})
  void itIsAsItShouldBe(String scenario) throws Exception {
    Path memguard = memguard();
    Path output = directory.resolve("output");

    Process check =
        new ProcessBuilder(
                PYTHON, EXAMPLE.resolve("check.py").toString(), memguard.toString(), scenario)
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();

    assertThat(check.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)).as("ended").isTrue();
    assertThat(check.exitValue()).as(Files.readString(output)).isZero();
    assertThat(output).content().endsWith(scenario + ": as it should be\n");
  }

  /** A file that runs what is tested here, since a kernelspec wants one. */
  private Path memguard() throws Exception {
    List<String> command = new Memguard().command();
    String quoted =
        command.stream()
            .map(word -> "'" + word.replace("'", "'\\''") + "'")
            .collect(Collectors.joining(" "));
    Path file =
        Files.writeString(
            directory.resolve("memguard"),
            "#!/bin/sh\nexport _JAVA_SR_SIGNUM=64\nexec " + quoted + " \"$@\"\n");
    assertThat(file.toFile().setExecutable(true)).isTrue();
    return file;
  }
}
