package io.memguard.lab;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;

/**
 * A cgroup as a service has it, in which commands are run: in its {@code supervisor}, so that there
 * is room for leaves beside, or in itself. Closing it removes it, and fails if a leaf is left.
 */
final class LabService implements AutoCloseable {
  private static final Path ROOT = Path.of("/sys/fs/cgroup");
  private static final long PATIENCE_NANOS = 60_000_000_000L;
  private static final Path PROJECT = Path.of(System.getProperty("memguard.lab")).getParent();

  private final Path directory;

  /** What a command's end left. */
  record Result(int exitStatus, String output) {}

  private LabService(Path directory) {
    this.directory = directory;
  }

  /** Makes a service with a cgroup for its supervisor. */
  static LabService withSupervisor(String path) throws IOException {
    LabService service = undivided(path);
    Files.createDirectory(service.directory.resolve("supervisor"));
    return service;
  }

  /** Makes a service whose processes are all in its one cgroup. */
  static LabService undivided(String path) throws IOException {
    return new LabService(Files.createDirectory(ROOT.resolve(path)));
  }

  Path directory() {
    return directory;
  }

  /** Returns {@code memguard run} with these arguments, on an engine. */
  static String[] memguard(String engine, String... arguments) {
    List<String> command = new ArrayList<>();
    Collections.addAll(command, "env", "JDK_JAVA_OPTIONS=-Xint -Dmemguard.engine=" + engine);
    Collections.addAll(command, PROJECT.resolve("bin/memguard").toString(), "run");
    Collections.addAll(command, arguments);
    return command.toArray(String[]::new);
  }

  /** Returns a shell that runs a command in the supervisor's cgroup, or in the service's own. */
  ProcessBuilder command(String... command) {
    Path supervisor = directory.resolve("supervisor");
    Path home = Files.exists(supervisor) ? supervisor : directory;
    List<String> all = new ArrayList<>();
    Collections.addAll(all, "sh", "-c", "echo 0 >\"$0\"; exec \"$@\"");
    all.add(home.resolve("cgroup.procs").toString());
    Collections.addAll(all, command);
    return new ProcessBuilder(all).redirectErrorStream(true);
  }

  /** Runs a command there to its end. */
  Result run(String... command) throws Exception {
    Process process = command(command).start();
    String output = new String(process.getInputStream().readAllBytes(), UTF_8);
    System.out.println(output);
    return new Result(process.waitFor(), output);
  }

  List<Path> leaves() throws IOException {
    return below().stream()
        .filter(path -> path.getFileName().toString().startsWith("memguard-"))
        .toList();
  }

  List<Path> below() throws IOException {
    try (Stream<Path> all = Files.list(directory)) {
      return all.filter(Files::isDirectory).toList();
    }
  }

  /** Returns what its files say, by name. */
  Map<String, String> files(String... names) throws IOException {
    Map<String, String> all = new TreeMap<>();
    for (String name : names) {
      all.put(name, Files.readString(directory.resolve(name)).strip());
    }
    return all;
  }

  /** Waits for its last processes, which may be about to end. */
  @Override
  public void close() throws IOException {
    if (!leaves().isEmpty()) {
      throw new AssertionError("left: " + leaves());
    }
    long deadline = System.nanoTime() + PATIENCE_NANOS;
    while (true) {
      try {
        Files.deleteIfExists(directory.resolve("supervisor"));
        Files.delete(directory);
        return;
      } catch (IOException e) {
        if (System.nanoTime() - deadline > 0) {
          throw e;
        }
        LockSupport.parkNanos(10_000_000);
      }
    }
  }
}
