package io.memguard.support;

import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** Looks at processes from outside, through {@code /proc}. */
public final class Proc {
  /** In one read: /proc/sys answers one from the second byte on with the end of the file. */
  private static final int LARGEST = 1 << 20;

  private Proc() {}

  /** True if a process has this pid and is no zombie. */
  public static boolean lives(long pid) {
    return !List.of("", "Z", "X").contains(state(pid));
  }

  /** The letter ps(1) shows, or an empty text if there is no such process. */
  public static String state(long pid) {
    String stat = read(Path.of("/proc", Long.toString(pid), "stat"));
    return stat.isEmpty() ? "" : afterName(stat)[0];
  }

  /** The pids of all children of a process, zombies too. */
  public static List<Long> childrenOf(long parent) {
    List<Long> children = new ArrayList<>();
    for (Path process : list(Path.of("/proc"), "[0-9]*")) {
      String stat = read(process.resolve("stat"));
      if (!stat.isEmpty() && Long.parseLong(afterName(stat)[1]) == parent) {
        children.add(Long.parseLong(process.getFileName().toString()));
      }
    }
    return children;
  }

  /** What is open in this JVM: each descriptor with what it leads to. */
  public static List<String> openFiles() {
    List<String> open = new ArrayList<>();
    for (Path descriptor : list(Path.of("/proc/self/fd"), "*")) {
      try {
        open.add(descriptor.getFileName() + " -> " + Files.readSymbolicLink(descriptor));
      } catch (IOException closedMeanwhile) {
        // the listing's own
      }
    }
    return open;
  }

  /** What the threads of this JVM are called; the kernel keeps 15 characters. */
  public static List<String> threadNames() {
    return list(Path.of("/proc/self/task"), "*").stream()
        .map(thread -> read(thread.resolve("comm")).strip())
        .toList();
  }

  /** How much address space this JVM has taken, in bytes. */
  public static long addressSpace() {
    String kilobytes = field(read(Path.of("/proc/self/status")), "VmSize");
    return Long.parseLong(kilobytes.replaceAll("\\D", "")) << 10;
  }

  /** How many files this JVM watches through inotify(7). */
  public static long inotifyWatches() {
    return list(Path.of("/proc/self/fdinfo"), "*").stream()
        .flatMap(descriptor -> read(descriptor).lines())
        .filter(line -> line.startsWith("inotify "))
        .count();
  }

  /** The value of a line {@code Name: value} of {@code /proc/<pid>/status}. */
  public static String field(String status, String name) {
    return status
        .lines()
        .filter(line -> line.startsWith(name + ":"))
        .findFirst()
        .map(line -> line.substring(name.length() + 1).strip())
        .orElseThrow();
  }

  /** The files of a directory, of those whose name is like a pattern. */
  public static List<Path> list(Path directory, String glob) {
    List<Path> found = new ArrayList<>();
    try (var entries = Files.newDirectoryStream(directory, glob)) {
      entries.forEach(found::add);
    } catch (IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
    return found;
  }

  /** The text of a file of a process, or an empty text if the process is gone. */
  public static String read(Path file) {
    try (InputStream in = new FileInputStream(file.toFile())) {
      return new String(in.readNBytes(LARGEST), StandardCharsets.UTF_8);
    } catch (IOException e) {
      return ""; // ENOENT, or ESRCH if it ended while it was read
    }
  }

  /** The name may have spaces and brackets in it: what follows the last one is plain. */
  private static String[] afterName(String stat) {
    return stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
  }

  /** All live descendants of this JVM that carry a word in their command line. */
  public static Stream<ProcessHandle> descendantsNamed(String word) {
    return ProcessHandle.current()
        .descendants()
        .filter(handle -> handle.info().commandLine().orElse("").contains(word));
  }
}
