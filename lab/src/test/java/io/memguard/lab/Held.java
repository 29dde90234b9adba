package io.memguard.lab;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * How much of something this process has for good: descriptors, or threads. What is there for a
 * moment only does not count: a file that memguard is just reading, a thread about to end.
 */
enum Held {
  DESCRIPTORS("/proc/self/fd"),
  THREADS("/proc/self/task");

  private static final int LOOKS = 10;
  private static final int BETWEEN_MILLIS = 10;
  private static final int PATIENCE_SECONDS = 30;

  private final Path directory;

  Held(String directory) {
    this.directory = Path.of(directory);
  }

  /** How many are there in all of several looks. */
  int count() throws IOException, InterruptedException {
    Set<String> held = look();
    for (int i = 1; i < LOOKS; i++) {
      TimeUnit.MILLISECONDS.sleep(BETWEEN_MILLIS);
      held.retainAll(look());
    }
    return held.size();
  }

  /** How many more it has than it had, or none. */
  int moreThan(int before) throws IOException, InterruptedException {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
    int more = count() - before;
    while (more > 0 && System.nanoTime() - deadline < 0) {
      more = count() - before;
    }
    return Math.max(0, more);
  }

  private Set<String> look() throws IOException {
    try (Stream<Path> entries = Files.list(directory)) {
      return entries.map(Held::named).filter(name -> !name.isEmpty()).collect(Collectors.toSet());
    }
  }

  private static String named(Path entry) {
    String name = entry.getFileName().toString();
    try {
      Path target = Files.isSymbolicLink(entry) ? Files.readSymbolicLink(entry) : Path.of("");
      return target.endsWith("fd") ? "" : name + " -> " + target; // that is the look's own
    } catch (IOException e) {
      return ""; // closed meanwhile
    }
  }
}
