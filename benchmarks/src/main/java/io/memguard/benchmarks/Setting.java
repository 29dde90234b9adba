package io.memguard.benchmarks;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;

/** What is measured, and under which conditions. */
enum Setting {
  /** Launch to exit, one after the other. */
  TO_EXIT("launch to exit", LaunchToExit.class) {
    @Override
    List<Way> ways() {
      return List.of(Way.values());
    }
  },
  /** Launch to started. */
  TO_STARTED("launch to started", LaunchToStarted.class) {
    @Override
    List<Way> ways() {
      return Arrays.stream(Way.values()).filter(Way::tellsWhenStarted).toList();
    }
  },
  /** Launch to exit from a JVM whose heap is in use to the last page. */
  LARGE_HEAP("launch to exit, 8 GiB heap touched", LaunchToExit.class) {
    @Override
    void applyTo(ChainedOptionsBuilder options) {
      options.jvmArgs("-Xms8g", "-Xmx8g", "-XX:+AlwaysPreTouch");
    }

    @Override
    Optional<String> obstacle() throws IOException {
      long kib = Machine.read("/proc/meminfo", "MemAvailable:");
      return kib < Machine.LARGE_HEAP_NEEDS_KIB
          ? Optional.of("needs 10 GiB of free memory, there are " + (kib >> 20) + " GiB")
          : Optional.empty();
    }
  },
  /** Launch to exit from a JVM with many files open. */
  MANY_DESCRIPTORS("launch to exit, 10,000 descriptors open", LaunchToExit.class) {
    @Override
    void applyTo(ChainedOptionsBuilder options) {
      options.param("descriptors", "10000");
    }

    @Override
    Optional<String> obstacle() throws IOException {
      long allowed = Machine.read("/proc/self/limits", "Max open files");
      return allowed < Machine.DESCRIPTORS_NEEDED
          ? Optional.of("this process may open " + allowed + " only: raise ulimit -n")
          : Optional.empty();
    }
  },
  /** Launches a second, of two threads. */
  TWO_THREADS("launches a second, two threads", LaunchToExit.class) {
    @Override
    void applyTo(ChainedOptionsBuilder options) {
      options.mode(Mode.Throughput).timeUnit(TimeUnit.SECONDS).threads(2);
    }
  };

  private final String label;
  private final Class<?> benchmark;

  Setting(String label, Class<?> benchmark) {
    this.label = label;
    this.benchmark = benchmark;
  }

  String label() {
    return label;
  }

  Class<?> benchmark() {
    return benchmark;
  }

  List<Way> ways() {
    return List.of(Way.PROCESS_BUILDER, Way.GUARDED);
  }

  void applyTo(ChainedOptionsBuilder options) {}

  /** Says why it cannot be measured on this machine. */
  Optional<String> obstacle() throws IOException {
    return Optional.empty();
  }

  /** What this machine would allow. */
  private static final class Machine {
    static final long LARGE_HEAP_NEEDS_KIB = 10L << 20;
    static final long DESCRIPTORS_NEEDED = 10_200;

    /** Reads the first number behind a name, or the largest one there is if that is unlimited. */
    static long read(String file, String name) throws IOException {
      return Files.readAllLines(Path.of(file)).stream()
          .filter(line -> line.startsWith(name))
          .map(line -> line.substring(name.length()).strip().split("\\s+", 2)[0])
          .mapToLong(value -> value.equals("unlimited") ? Long.MAX_VALUE : Long.parseLong(value))
          .findFirst()
          .orElseThrow(() -> new IOException(file + " has no line " + name));
    }
  }
}
