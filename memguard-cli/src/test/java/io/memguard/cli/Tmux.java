package io.memguard.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/** A real terminal, as tmux(1) is one: what is in it can be read, and it can be made smaller. */
final class Tmux implements AutoCloseable {
  private final Path socket;
  private final Path configuration;

  /** Opens one with a shell in it, which has job control and a short prompt. */
  Tmux(Path directory, int columns, int rows, String... environment) throws Exception {
    socket = directory.resolve("tmux");
    configuration =
        Files.writeString(
            directory.resolve("tmux.conf"),
            "set -g status off\nset -g history-limit 5000\nset -g escape-time 0\n");
    List<String> command =
        new ArrayList<>(
            List.of(
                "new-session", "-d", "-x", "" + columns, "-y", "" + rows, "-c", "" + directory));
    command.addAll(List.of("env", "PS1=$ "));
    command.addAll(List.of(environment));
    command.addAll(List.of("bash", "--norc", "--noprofile", "-i"));
    tmux(command.toArray(String[]::new));
    until("the shell is there", screen -> screen.startsWith("$"));
  }

  private String tmux(String... args) throws Exception {
    List<String> command =
        new ArrayList<>(
            List.of("tmux", "-u", "-S", socket.toString(), "-f", configuration.toString()));
    command.addAll(List.of(args));
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().put("LC_ALL", "C.UTF-8");
    builder.environment().remove("TMUX");
    Process process = builder.start();
    process.getOutputStream().close();
    String answer = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertThat(process.waitFor()).as("tmux %s: %s", command, answer).isZero();
    return answer;
  }

  /** Types a line, and the return key. */
  void type(String line) throws Exception {
    tmux("send-keys", "-l", line);
    key("Enter");
  }

  /** Presses a key, such as {@code C-z}. */
  void key(String name) throws Exception {
    tmux("send-keys", name);
  }

  void resize(int columns, int rows) throws Exception {
    tmux("resize-window", "-x", "" + columns, "-y", "" + rows);
  }

  /** Returns what is to be seen; lines without blanks at their ends. */
  String screen() throws Exception {
    return tmux("capture-pane", "-p");
  }

  /** Returns that with the escape sequences for colours. */
  String coloured() throws Exception {
    return tmux("capture-pane", "-p", "-e");
  }

  /** Returns that with all that was scrolled away, lines that the terminal had to break joined. */
  String all() throws Exception {
    return tmux("capture-pane", "-p", "-J", "-S", "-");
  }

  /** Waits until the screen is so. */
  String until(String what, Predicate<String> so) throws Exception {
    String[] last = {""};
    try {
      Waiting.until(
          what,
          () -> {
            last[0] = screen();
            return so.test(last[0]);
          });
    } catch (AssertionError e) {
      throw new AssertionError(e.getMessage() + "; the screen is:\n" + last[0], e);
    }
    return last[0];
  }

  @Override
  public void close() throws IOException {
    try {
      tmux("kill-server");
    } catch (Exception e) {
      throw new IOException(e);
    }
  }
}
