package io.memguard.examples;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The example of docs/tuning.md does what stands there, and is the code that stands there. */
class TunedTest {
  private static final Path SOURCE = Path.of("src/main/java/io/memguard/examples/Tuned.java");
  private static final Path PAGE = Path.of("../docs/tuning.md");

  /** Where a JVM that dies leaves a file. */
  @TempDir Path scratch;

  @Test
  void aJvmThatOutgrewItsLimitEndsWell() throws Exception {
    String page = Files.readString(PAGE);
    int begin = page.indexOf("// Garbage.java");
    Path example =
        Files.writeString(
            scratch.resolve("Garbage.java"), page.substring(begin, page.indexOf("```", begin)));
    List<String> said = tuned("512MiB", java(), example.toString());
    assertThat(said.get(0)).contains("refused under RLIMIT_DATA 512MiB");
    assertThat(said.get(1)).isEqualTo("It exited with code 0.");
    assertThat(said.get(2)).startsWith("JAVA_TOOL_OPTIONS=-XX:MaxRAM=536870912 ");
  }

  @Test
  void standsInTheDocs() throws Exception {
    List<String> source = Files.readAllLines(SOURCE);
    int begin = source.indexOf("    // [docs]");
    int end = source.lastIndexOf("    // [docs]");
    String snippet = String.join("\n", source.subList(begin + 1, end)).stripIndent();
    assertThat(Files.readString(PAGE)).contains(snippet);
  }

  private static String java() {
    return Path.of(System.getProperty("java.home"), "bin", "java").toString();
  }

  private List<String> tuned(String... arguments) throws Exception {
    String classes = System.getProperty("java.class.path");
    List<String> command =
        Stream.concat(
                Stream.of(java(), "-cp", classes, Tuned.class.getName()), Stream.of(arguments))
            .toList();
    Process process = new ProcessBuilder(command).directory(scratch.toFile()).start();
    List<String> said = process.inputReader().lines().toList();
    assertThat(process.waitFor()).isZero();
    return said;
  }
}
