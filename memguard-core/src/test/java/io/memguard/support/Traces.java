package io.memguard.support;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Collectors;

/**
 * What this JVM holds that a launch could leave behind: descriptors, threads, children and temp
 * files. Made before, and compared after.
 */
public final class Traces {
  private static final List<String> NOT_OURS =
      List.of(
          "process reaper", "ForkJoinPool", "CompletableFutureDelayScheduler", "junit", "surefire");

  private final List<String> before = now();

  private Traces() {}

  /** Notes what there is now. */
  public static Traces begin() {
    return new Traces();
  }

  /** Fails if there is more than at the beginning; what is about to go is given time. */
  public void assertNothingIsLeft() {
    Supplier<List<String>> more =
        () -> {
          List<String> now = new ArrayList<>(now());
          before.forEach(now::remove);
          return now;
        };
    Eventually.await(() -> "nothing is left behind; now " + more.get(), () -> more.get().isEmpty());
  }

  private static List<String> now() {
    List<String> all = new ArrayList<>();
    Proc.openFiles().stream()
        .filter(file -> !isTheJvms(file))
        .map(file -> "descriptor " + file)
        .forEach(all::add);
    Proc.childrenOf(ProcessHandle.current().pid()).stream()
        .map(pid -> "child " + pid + " " + Proc.state(pid))
        .forEach(all::add);
    threads().stream().map(name -> "thread " + name).forEach(all::add);
    for (String directory : Set.of(System.getProperty("java.io.tmpdir"), "/dev/shm")) {
      Proc.list(Path.of(directory), "*memguard*").forEach(file -> all.add("file " + file));
    }
    return all;
  }

  /** The JDK's own threads come and go as they like. */
  public static List<String> threads() {
    return Thread.getAllStackTraces().keySet().stream()
        .map(Thread::getName)
        .filter(name -> NOT_OURS.stream().noneMatch(name::startsWith))
        .collect(Collectors.toList());
  }

  /** Jars and classes are opened whenever a class is first used. */
  private static boolean isTheJvms(String file) {
    return file.endsWith(".jar") || file.contains("/random") || file.endsWith("/modules");
  }
}
