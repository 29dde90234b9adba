package io.memguard.platform.procfs;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.support.Children;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** A tree of real processes: {@code src/test/native/tree_actor.c}. It ends when this is closed. */
final class TreeActor implements AutoCloseable {
  private final Process process;

  private TreeActor(Process process) {
    this.process = process;
  }

  /** Compiles the program into a directory. */
  static Path compile(Path directory) throws IOException, InterruptedException {
    Path program = directory.resolve("tree-actor");
    Process gcc =
        new ProcessBuilder(
                "gcc",
                "-std=c11",
                "-O1",
                "-Wall",
                "-Wextra",
                "-Werror",
                "-pthread",
                "-o",
                program.toString(),
                "src/test/native/tree_actor.c")
            .redirectErrorStream(true)
            .start();
    String messages = Children.output(gcc);
    assertThat(gcc.waitFor()).as(messages).isZero();
    return program;
  }

  static TreeActor start(Path program, String act, int mib, String more) {
    return start(List.of(program.toString(), act, Integer.toString(mib), more), Map.of());
  }

  static TreeActor start(List<String> command, Map<String, String> environment) {
    ProcessBuilder job = new ProcessBuilder(new ArrayList<>(command));
    job.environment().putAll(environment);
    try {
      return new TreeActor(job.redirectError(ProcessBuilder.Redirect.INHERIT).start());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Waits for what it says next. */
  String says() {
    return Children.line(process.getInputStream());
  }

  void isReady() {
    assertThat(says()).isEqualTo("ready");
  }

  /** Has it do the next thing. */
  void go() throws IOException {
    process.getOutputStream().write("\n".getBytes(StandardCharsets.US_ASCII));
    process.getOutputStream().flush();
  }

  long pid() {
    return process.pid();
  }

  void kill() throws InterruptedException {
    process.destroyForcibly();
    process.waitFor();
  }

  @Override
  public void close() throws IOException {
    process.getOutputStream().close();
    process.onExit().join();
  }
}
