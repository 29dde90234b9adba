package io.memguard.examples.queue;

import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * The jobs of the demonstration: most are small, one in twenty is honest and large, one in fifty
 * takes memory without end, one in a hundred fails in another way.
 *
 * @param script {@code job.py}
 * @param size how many jobs
 */
record Workload(Path script, int size) {
  static final String FIRST_LIMIT = "32MiB";

  /** What a job is like. */
  enum Kind {
    SMALL,
    LARGE,
    BOMB,
    BROKEN
  }

  static Kind kind(int number) {
    if (number % 50 == 7) {
      return Kind.BOMB;
    }
    if (number % 100 == 11) {
      return Kind.BROKEN;
    }
    return number % 20 == 3 ? Kind.LARGE : Kind.SMALL;
  }

  static String id(int number) {
    return String.format("job-%05d", number);
  }

  /** What the job prints if it is done. */
  static String result(int number) {
    return number + " " + (long) number * number;
  }

  Job job(int number) {
    String what =
        switch (kind(number)) {
          case SMALL -> Integer.toString(2 + number % 9);
          case LARGE -> Integer.toString(50 + number % 130);
          case BOMB -> "bomb";
          case BROKEN -> "fail";
        };
    return Job.of(
        id(number),
        List.of("python3", script.toString(), Integer.toString(number), what),
        FIRST_LIMIT);
  }

  Set<String> ids(Kind... kinds) {
    return IntStream.range(0, size)
        .filter(number -> Set.of(kinds).contains(kind(number)))
        .mapToObj(Workload::id)
        .collect(Collectors.toCollection(TreeSet::new));
  }
}
