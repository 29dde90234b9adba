package io.memguard.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** {@code memguard run} around a supervisor that forks its own workers, in a directory. */
final class ForeignPool implements AutoCloseable {
  /** Debian's programs want Debian's Python, whatever else is on the machine. */
  static final String PATH = "/usr/bin:/bin:" + System.getenv("PATH");

  private static final long PATIENCE_SECONDS = 60;

  private final Path directory;
  private final Process memguard;

  ForeignPool(Memguard memguard, Path directory, String... arguments) throws IOException {
    this.directory = directory;
    this.memguard = memguard.env("PATH", PATH).in(directory).start(arguments);
  }

  /** Skips the test where a program is missing, unless nothing may be skipped. */
  static void require(String... programs) {
    boolean mustWork = "1".equals(System.getenv("MEMGUARD_MUST_WORK"));
    for (String program : programs) {
      boolean there =
          Stream.of(PATH.split(File.pathSeparator, -1))
              .anyMatch(path -> Files.isExecutable(Path.of(path, program)));
      assumeTrue(there || mustWork, program + " is not installed: see bin/setup");
    }
  }

  /** Copies resources of the tests into a directory. */
  static void copy(Path directory, String... names) throws IOException {
    for (String name : names) {
      try (InputStream in = ForeignPool.class.getResourceAsStream("/pools/" + name)) {
        Files.copy(Objects.requireNonNull(in, name), directory.resolve(name));
      }
    }
  }

  /** Runs a client of the pool to its end, and returns what it printed. */
  static List<String> client(Path directory, List<String> environment, String... arguments)
      throws Exception {
    List<String> command = new ArrayList<>(List.of("env", "PATH=" + PATH));
    command.addAll(environment);
    command.add("python3");
    command.addAll(List.of(arguments));
    Path output = Files.createTempFile(directory, "client", ".out");
    Process client =
        new ProcessBuilder(command)
            .directory(directory.toFile())
            .redirectErrorStream(true)
            .redirectOutput(output.toFile())
            .start();
    try {
      assertThat(client.waitFor(PATIENCE_SECONDS * 2, TimeUnit.SECONDS)).as("client").isTrue();
      List<String> said = Files.readAllLines(output);
      assertThat(client.exitValue()).as(String.join("\n", said)).isZero();
      return said;
    } finally {
      client.destroyForcibly();
    }
  }

  /** Returns the supervisor, as soon as it has so many workers. */
  ProcessHandle supervisorOf(int workers) throws Exception {
    try {
      Waiting.until(
          "there is a pool",
          () -> {
            assertThat(memguard.isAlive()).as("memguard lives").isTrue();
            return memguard.children().anyMatch(it -> it.children().count() == workers);
          });
    } catch (AssertionError e) {
      throw new AssertionError(e.getMessage() + ": " + said("out") + said("err"), e);
    }
    return memguard.children().filter(it -> it.children().count() == workers).findFirst().get();
  }

  static List<Long> workersOf(ProcessHandle supervisor) {
    return supervisor.children().map(ProcessHandle::pid).sorted().toList();
  }

  /** What memguard said so far of its own accord. */
  List<String> lines() throws IOException {
    return said("err").lines().filter(line -> line.startsWith("memguard: ")).toList();
  }

  /** Waits for a line of memguard's. */
  String line(String with) throws Exception {
    Waiting.until(
        "memguard says " + with, () -> lines().stream().anyMatch(line -> line.contains(with)));
    return lines().stream().filter(line -> line.contains(with)).findFirst().orElseThrow();
  }

  private String said(String file) throws IOException {
    return Files.readString(directory.resolve(file), StandardCharsets.UTF_8);
  }

  static String proc(long pid, String file) throws IOException {
    return Files.readString(Path.of("/proc", Long.toString(pid), file)).strip();
  }

  /** Returns the size that {@code /proc/<pid>/limits} has for RLIMIT_DATA. */
  static long dataLimit(long pid) throws IOException {
    return proc(pid, "limits")
        .lines()
        .filter(line -> line.startsWith("Max data size"))
        .map(line -> Long.parseLong(line.split("\\s{2,}", -1)[1]))
        .findFirst()
        .orElseThrow();
  }

  /** Asks it to end, as an init system does, and returns its exit status. */
  int end() throws Exception {
    memguard.destroy();
    assertThat(memguard.waitFor(PATIENCE_SECONDS, TimeUnit.SECONDS)).as("memguard ends").isTrue();
    return memguard.exitValue();
  }

  @Override
  public void close() {
    List<ProcessHandle> all =
        Stream.concat(memguard.descendants(), Stream.of(memguard.toHandle())).toList();
    all.forEach(ProcessHandle::destroyForcibly);
    Waiting.untilGone(memguard);
  }
}
