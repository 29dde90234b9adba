package io.memguard.platform;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.ProcessBuilder.Redirect;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Who may still be given something to read, and who has it all. */
@Tag("engine-independent")
final class StandardInputTest {
  @TempDir private Path directory;

  @Test
  void whatIsThereIsThere() throws Exception {
    assertThat(canBeFed(Files.writeString(directory.resolve("file"), "text"))).isFalse();
    assertThat(canBeFed(Path.of("/dev/null"))).isFalse();
    assertThat(canBeFed(Files.createSymbolicLink(directory.resolve("link"), Path.of("/dev/null"))))
        .isFalse();
    assertThat(StandardInput.canBeFed(Redirect.PIPE)).isFalse();
  }

  @Test
  void aPipeOrADeviceMayBringMore() throws Exception {
    Path fifo = directory.resolve("fifo");
    assertThat(new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor()).isZero();
    assertThat(canBeFed(fifo)).isTrue();
    assertThat(canBeFed(Path.of("/dev/zero"))).isTrue();
  }

  private static boolean canBeFed(Path file) {
    return StandardInput.canBeFed(Redirect.from(file.toFile()));
  }
}
