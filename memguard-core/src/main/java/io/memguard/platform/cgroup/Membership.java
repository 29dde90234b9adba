package io.memguard.platform.cgroup;

import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * A line of {@code /proc/<pid>/cgroup}: where a process is in one hierarchy.
 *
 * @param controllers what a v1 hierarchy controls; empty for v2
 * @param path may hold colons and spaces
 */
record Membership(boolean v2, Set<String> controllers, String path) {
  static final String DELETED = " (deleted)";

  static List<Membership> parse(String text) {
    return text.lines().flatMap(line -> parseLine(line).stream()).toList();
  }

  private static Optional<Membership> parseLine(String line) {
    String[] fields = line.split(":", 3);
    return fields.length == 3
        ? Optional.of(
            new Membership(fields[0].equals("0"), Set.of(fields[1].split(",", -1)), fields[2]))
        : Optional.empty();
  }

  boolean controls(String controller) {
    return !v2 && controllers.contains(controller);
  }
}
