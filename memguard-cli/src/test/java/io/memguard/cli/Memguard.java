package io.memguard.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/** The built command, run from outside as users run it: as a process of its own. */
final class Memguard {
  private static final long PATIENCE_SECONDS = 60;

  private final List<String> prefix = new ArrayList<>();
  private final List<String> jvm = new ArrayList<>();
  private final ProcessBuilder builder = new ProcessBuilder();

  /** What came of it. */
  @SuppressWarnings("ArrayRecordComponent") // never compared
  record Result(int status, byte[] output, String error) {
    String text() {
      return new String(output, StandardCharsets.UTF_8);
    }

    /** Asserts that memguard said one line of its own, and nothing else was said. */
    String onlyLine() {
      assertThat(error.lines()).as("stderr").hasSize(1);
      assertThat(error).startsWith("memguard: ").doesNotContain("Exception", "\tat ");
      return error;
    }
  }

  Memguard() {
    builder.environment().put("_JAVA_SR_SIGNUM", "64"); // as bin/memguard has it
    builder.environment().remove("JAVA_TOOL_OPTIONS");
  }

  static Result run(String... args) throws Exception {
    return new Memguard().call(args);
  }

  Memguard engine(String name) {
    return property("memguard.engine", name);
  }

  Memguard property(String name, String value) {
    jvm.add("-D" + name + "=" + value);
    return this;
  }

  Memguard env(String name, String value) {
    builder.environment().put(name, value);
    return this;
  }

  Memguard stdin(File file) {
    builder.redirectInput(file);
    return this;
  }

  /** Runs it in a directory, with its output and what it says in files there. */
  Memguard in(Path directory) {
    builder.directory(directory.toFile());
    builder.redirectInput(new File("/dev/null"));
    builder.redirectOutput(directory.resolve("out").toFile());
    builder.redirectError(directory.resolve("err").toFile());
    return this;
  }

  /** Runs memguard through another program. */
  Memguard through(String... command) {
    prefix.addAll(List.of(command));
    return this;
  }

  /** Starts {@code memguard run} with pipes for its streams. */
  Process start(String... args) throws IOException {
    return builder.command(command(args)).start();
  }

  /** Says how it is started. */
  List<String> command(String... args) {
    // Whoever runs the tests may ignore signals, and that is inherited.
    List<String> command = new ArrayList<>(List.of("env", "--default-signal"));
    command.addAll(prefix);
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"));
    command.add("-Dmemguard.cgroup.leaf=off"); // no test changes the cgroups of this machine
    if (Runtime.version().feature() >= 24) {
      command.add("--enable-native-access=ALL-UNNAMED");
    }
    command.addAll(jvm);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), "io.memguard.cli.Main"));
    command.addAll(List.of(args));
    return command;
  }

  /** Writes a script for shells on a terminal: it runs that, with its own arguments behind. */
  void script(Path file, String... args) throws IOException {
    String words =
        command(args).stream()
            .map(word -> "'" + word.replace("'", "'\\''") + "'")
            .collect(Collectors.joining(" "));
    Files.writeString(file, "exec " + words + " \"$@\"\n");
  }

  /** Runs {@code memguard} to its end. */
  Result call(String... args) throws Exception {
    Path error = Files.createTempFile("memguard", ".err");
    try {
      builder.redirectError(error.toFile());
      Process process = start(args);
      process.getOutputStream().close();
      byte[] output = process.getInputStream().readAllBytes();
      assertThat(process.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)).as("ended").isTrue();
      return new Result(process.exitValue(), output, Files.readString(error));
    } finally {
      Files.delete(error);
    }
  }
}
