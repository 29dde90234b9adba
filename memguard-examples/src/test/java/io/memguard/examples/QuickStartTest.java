package io.memguard.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/** The README's first example does what the README says, and is the code that stands there. */
class QuickStartTest {
  private static final Path SOURCE = Path.of("src/main/java/io/memguard/examples/QuickStart.java");

  @Test
  void runsAJobAgainThatWasRefusedMemory() throws Exception {
    Process process = quickStart("x = bytearray(200 << 20); print(len(x))");
    assertThat(process.inputReader().lines()).containsExactly("209715200");
    assertThat(process.waitFor()).isZero();
  }

  @Test
  void saysWhatWasRefusedWhenAJobIsTooLargeForAllAttempts() throws Exception {
    Process process = quickStart("bytearray(8 << 30)");
    assertThat(process.errorReader().lines().toList())
        .anyMatch(
            line -> line.startsWith("Too large for here: It asked for 8.0GiB and was refused"));
  }

  @Test
  void standsInTheReadme() throws IOException {
    List<String> source = Files.readAllLines(SOURCE);
    int begin = source.indexOf("    // [README]");
    int end = source.lastIndexOf("    // [README]");
    String snippet = String.join("\n", source.subList(begin + 1, end)).stripIndent();
    assertThat(Files.readString(Path.of("../README.md"))).contains(snippet);
  }

  private static Process quickStart(String python) throws IOException {
    return new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-cp",
            System.getProperty("java.class.path"),
            QuickStart.class.getName(),
            "python3",
            "-c",
            python)
        .start();
  }
}
