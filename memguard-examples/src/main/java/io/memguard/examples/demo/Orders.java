package io.memguard.examples.demo;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.Stream;

/** The work: one order file a day, and a Python program that reports on one. */
record Orders(String program, Path directory) {
  private static final int AT_A_TIME = 4;

  static Orders of(String... arguments) {
    if (arguments.length != 2) {
      throw new IllegalArgumentException(
          "give the program report.py and the directory with the order files");
    }
    return new Orders(arguments[0], Path.of(arguments[1]));
  }

  /** Those that take longest first, as one does who wants to be done soon. */
  List<Path> days() throws IOException {
    Comparator<Path> bySize = Comparator.comparingLong(day -> day.toFile().length());
    try (Stream<Path> files = Files.list(directory)) {
      return files
          .filter(file -> file.toString().endsWith(".json"))
          .sorted(bySize.reversed().thenComparing(Comparator.naturalOrder()))
          .toList();
    }
  }

  /** What a child is started with, in both halves of the demo. */
  ProcessBuilder job(Path day) {
    return new ProcessBuilder("python3", program, day.toString())
        .redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.PIPE);
  }

  static String name(Path day) {
    return day.getFileName().toString().replace(".json", "");
  }

  /** Calls them all, four at a time, and returns what they return, in order. */
  static <T> List<T> parallel(List<Callable<T>> calls)
      throws InterruptedException, ExecutionException {
    ExecutorService pool = Executors.newFixedThreadPool(AT_A_TIME);
    try {
      List<T> results = new ArrayList<>();
      for (Future<T> result : pool.invokeAll(calls)) {
        results.add(result.get());
      }
      return results;
    } finally {
      pool.shutdown();
    }
  }
}
