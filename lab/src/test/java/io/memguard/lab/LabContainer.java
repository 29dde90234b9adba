package io.memguard.lab;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/**
 * Describes a Kubernetes-like container and runs commands in it, through the script {@code
 * lab/container}. Works only inside the lab's own machine; on any other the script refuses.
 *
 * <p>Immutable, so one description can serve many runs.
 */
final class LabContainer {
  private static final long PATIENCE_SECONDS = 300;

  private final List<String> options;
  private final long patienceSeconds;

  private LabContainer(List<String> options, long patienceSeconds) {
    this.options = List.copyOf(options);
    this.patienceSeconds = patienceSeconds;
  }

  /** Starts from a container with this {@code memory.max}, such as {@code "64M"}, and no swap. */
  static LabContainer withMemory(String size) {
    return new LabContainer(List.of("--memory", size), PATIENCE_SECONDS);
  }

  /** Adds options of the script, such as {@code "--oom-group", "0"}. */
  LabContainer with(String... more) {
    List<String> all = new ArrayList<>(options);
    all.addAll(Arrays.asList(more));
    return new LabContainer(all, patienceSeconds);
  }

  /** Sets how long it may take to its end; five minutes if nothing is said. */
  LabContainer withPatience(long seconds) {
    return new LabContainer(options, seconds);
  }

  /**
   * Runs a command to its end.
   *
   * @throws IllegalStateException if the container has not ended in time
   */
  Result run(String... command) throws IOException, InterruptedException {
    Path report = Files.createTempFile("container", ".report");
    Path output = Files.createTempFile("container", ".out");
    try {
      List<String> all = new ArrayList<>();
      all.add(Path.of(System.getProperty("memguard.lab"), "container").toString());
      all.addAll(options);
      all.addAll(List.of("--report", report.toString(), "--"));
      all.addAll(Arrays.asList(command));
      Process process =
          new ProcessBuilder(all).redirectErrorStream(true).redirectOutput(output.toFile()).start();
      if (!process.waitFor(patienceSeconds, TimeUnit.SECONDS)) {
        process.destroy();
        throw new IllegalStateException(
            "still running: " + all + ", and has said:\n" + Files.readString(output, UTF_8));
      }
      return new Result(
          process.exitValue(), Files.readString(output, UTF_8), counters(Files.readString(report)));
    } finally {
      Files.delete(report);
      Files.delete(output);
    }
  }

  private static Map<String, String> counters(String report) {
    return report
        .lines()
        .map(line -> line.split(" ", 2))
        .collect(Collectors.toUnmodifiableMap(pair -> pair[0], pair -> pair[1]));
  }

  /**
   * What is known of a container after its death.
   *
   * @param exitStatus its first process's exit code, or 128 plus the signal that killed it
   * @param output what its processes printed, on either stream
   * @param report what the script reported, by name
   */
  record Result(int exitStatus, String output, Map<String, String> report) {
    /** A counter of {@code memory.events}, such as {@code "oom_group_kill"}. */
    OptionalLong count(String name) {
      return Optional.ofNullable(report.get(name)).stream().mapToLong(Long::parseLong).findAny();
    }
  }
}
