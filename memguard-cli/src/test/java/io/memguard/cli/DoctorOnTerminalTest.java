package io.memguard.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The colours of {@code memguard doctor}, on a real terminal that has some. */
@Timeout(120)
class DoctorOnTerminalTest {
  private static final int ROWS = 200; // so that all of it stays on the screen

  @TempDir Path directory;

  @Test
  void theVerdictAndTheHeadingsAreColoured() throws Exception {
    String screen = said("", "TERM=xterm-256color");

    assertThat(screen)
        .containsPattern(
            "memguard doctor: \033\\[1m\033\\[3[123]m(PROTECTED|PARTLY PROTECTED|EXPOSED)\n\n\033\\[0m")
        .contains("\n\033[1mWhere this is\n\033[0m");
  }

  @Test
  void nothingIsColouredWithNoColor() throws Exception {
    assertThat(said("", "TERM=xterm-256color", "NO_COLOR=1")).doesNotContain("\033[");
  }

  @Test
  void nothingIsColouredInAPipe() throws Exception {
    assertThat(said(" | cat", "TERM=xterm-256color")).doesNotContain("\033[");
  }

  /** Returns what is on the screen then, with its escape sequences. */
  private String said(String behind, String... environment) throws Exception {
    new Memguard().script(directory.resolve("memguard-doctor"), "doctor");
    try (Tmux terminal = new Tmux(directory, 100, ROWS, environment)) {
      terminal.type("bash memguard-doctor" + behind + "; echo its end is $((1 + 1))");
      terminal.until("it was said", screen -> screen.contains("its end is 2"));
      return terminal.coloured();
    }
  }
}
