package io.memguard.platform;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/**
 * Runs the native tests of the preloaded library: programs of its own, without a JVM around them.
 */
@Tag("engine-independent")
class WitnessLibraryTest {
  @Test
  void notesExactlyTheRefusalsAndDisturbsNothing() throws Exception {
    Process tests =
        new ProcessBuilder(
                "src/test/native/witness-test", NativeFiles.locate().witness().toString())
            .redirectErrorStream(true)
            .start();
    String report = new String(tests.getInputStream().readAllBytes(), StandardCharsets.UTF_8);

    assertThat(tests.waitFor()).as(report).isZero();
    assertThat(report).doesNotContain("not ok");
  }
}
