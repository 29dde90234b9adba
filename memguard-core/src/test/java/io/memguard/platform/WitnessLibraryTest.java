package io.memguard.platform;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Runs the native tests of the preloaded library: programs of its own, without a JVM around them.
 */
@Tag("engine-independent")
class WitnessLibraryTest {
  @Test
  void notesExactlyTheRefusalsAndDisturbsNothing() throws Exception {
    run("witness-test", NativeFiles.locate().witness().toString());
  }

  /** For longer: {@code make stress}. */
  @Test
  void countsRightInAStormAndUnderSanitizers() throws Exception {
    run("witness-stress", NativeFiles.locate().witness().toString(), "1");
  }

  private static void run(String script, String... arguments) throws Exception {
    List<String> command = new ArrayList<>(List.of("src/test/native/" + script));
    command.addAll(List.of(arguments));
    Process tests = new ProcessBuilder(command).redirectErrorStream(true).start();
    String report = new String(tests.getInputStream().readAllBytes(), StandardCharsets.UTF_8);

    assertThat(tests.waitFor()).as(report).isZero();
    assertThat(report).doesNotContain("not ok");
  }
}
