package io.memguard.benchmarks;

import com.sun.management.OperatingSystemMXBean;
import io.memguard.GuardedProcess;
import io.memguard.MemoryGuard;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.limits.Requirement;
import io.memguard.platform.procfs.ProcessTrees;
import io.memguard.platform.procfs.ProcessTrees.Tree;
import java.io.File;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import oshi.SystemInfo;
import oshi.software.os.OperatingSystem;

/**
 * What it costs to know the memory of many process trees at rest; {@code benchmarks/trees} calls
 * it.
 */
public final class Trees {
  private static final int TREES = 1000;
  private static final int PROCESSES = 3;
  private static final int SECONDS = 20;
  private static final int WARM_UP = 15;
  private static final double TARGET_PERCENT = 5;
  private static final double PERCENT = 100;
  private static final long NANOS_PER_TICK = TimeUnit.MILLISECONDS.toNanos(10);
  private static final Duration SECOND = Duration.ofSeconds(1);
  private static final Duration TENTH = Duration.ofMillis(100);
  private static final MemoryLimits LIMITS = MemoryLimits.of("512MiB");
  private static final File NOTHING = new File("/dev/null");

  /** A shell with two children. */
  private static final ProcessBuilder TREE =
      new ProcessBuilder("sh", "-c", "sleep 1000 & sleep 1000 & wait")
          .redirectInput(Redirect.from(NOTHING))
          .redirectOutput(Redirect.to(NOTHING))
          .redirectError(Redirect.to(NOTHING));

  private Trees() {}

  /** Measures, and exits with 1 if the target is missed. */
  public static void main(String[] none) throws Exception {
    double percent = watched();
    looks();
    System.exit(percent < TARGET_PERCENT ? 0 : 1);
  }

  /** What the tree watch itself takes; this thread does nothing. */
  private static double watched() throws Exception {
    try (MemoryGuard guard = MemoryGuard.create()) {
      List<GuardedProcess> roots = start(guard, LIMITS);
      ProtectionState watch = roots.get(0).protections().get(Protection.TREE_WATCH);
      if (watch == null || !watch.active()) {
        throw new IllegalStateException("they are not watched");
      }
      return cost("memguard's tree watch", SECOND, () -> (long) TREES);
    }
  }

  /** What a look takes, and what others take for it; nobody else looks. */
  private static void looks() throws Exception {
    MemoryLimits unwatched = LIMITS.with(Protection.TREE_WATCH, Requirement.OFF);
    try (MemoryGuard guard = MemoryGuard.create();
        ProcessTrees trees = new ProcessTrees()) {
      List<Tree> followed = new ArrayList<>();
      for (GuardedProcess root : start(guard, unwatched)) {
        followed.add(trees.follow(root.pid(), Optional.empty()));
      }
      measure(trees, followed);
    }
  }

  /** Closing the guard ends them. */
  private static List<GuardedProcess> start(MemoryGuard guard, MemoryLimits limits)
      throws Exception {
    List<GuardedProcess> roots = new ArrayList<>();
    for (int i = 0; i < TREES; i++) {
      roots.add(guard.start(TREE, limits));
    }
    TimeUnit.SECONDS.sleep(2);
    return roots;
  }

  private static void measure(ProcessTrees trees, List<Tree> followed) throws Exception {
    trees.look();
    int found = followed.stream().mapToInt(Tree::processes).sum();
    if (found != TREES * PROCESSES) {
      throw new IllegalStateException("there are " + found + " processes");
    }
    Callable<Long> looks =
        () -> {
          trees.look();
          return followed.stream().filter(tree -> tree.residentBytes() > 0).count();
        };
    Callable<Long> measurements =
        () -> followed.stream().filter(tree -> tree.measure(Long.MAX_VALUE).bytes() > 0).count();
    OperatingSystem oshi = new SystemInfo().getOperatingSystem();
    Callable<Long> oshis =
        () -> oshi.getProcesses().stream().filter(one -> one.getResidentSetSize() > 0).count();
    cost("memguard, a look a second", SECOND, looks);
    cost("memguard, ten looks a second", TENTH, looks);
    cost("memguard, all measured each second, as if near their limits", SECOND, measurements);
    cost("ps -e -o pid,ppid,rss, once a second", SECOND, Trees::ps);
    cost("ps -e -o pid,ppid,rss, ten times a second", TENTH, Trees::ps);
    cost("OSHI's getProcesses, once a second", SECOND, oshis);
    cost("OSHI's getProcesses, ten times a second", TENTH, oshis);
  }

  private static long ps() throws IOException, InterruptedException {
    Process ps = new ProcessBuilder("ps", "-e", "-o", "pid,ppid,rss").start();
    long lines =
        new String(ps.getInputStream().readAllBytes(), StandardCharsets.US_ASCII).lines().count();
    ps.waitFor();
    return lines;
  }

  /** Does something again and again, and says what that took of one core, children included. */
  private static double cost(String name, Duration interval, Callable<Long> poll) throws Exception {
    for (int i = 0; i < WARM_UP; i++) {
      poll.call();
      TimeUnit.NANOSECONDS.sleep(interval.toNanos()); // for the watch, which goes on by itself
    }
    long cpu = cpuNanos();
    long began = System.nanoTime();
    long slept = began;
    int polls = 0;
    while (System.nanoTime() - began < TimeUnit.SECONDS.toNanos(SECONDS)) {
      if (poll.call() < TREES) {
        throw new IllegalStateException(name + " does not see all trees");
      }
      polls++;
      slept += interval.toNanos();
      TimeUnit.NANOSECONDS.sleep(slept - System.nanoTime());
    }
    double used = cpuNanos() - cpu;
    double percent = used * PERCENT / (System.nanoTime() - began);
    System.out.println(
        String.format(
            Locale.ROOT,
            "%s: %.2f %% of a core, %.2f ms a time (%d in %d s)",
            name,
            percent,
            used / polls / TimeUnit.MILLISECONDS.toNanos(1),
            polls,
            SECONDS));
    return percent;
  }

  /** What this JVM and the children that it has reaped have used. */
  private static long cpuNanos() throws IOException {
    OperatingSystemMXBean jvm =
        (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    String stat = Files.readString(Path.of("/proc/self/stat"));
    String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
    return jvm.getProcessCpuTime()
        + (Long.parseLong(fields[13]) + Long.parseLong(fields[14])) * NANOS_PER_TICK;
  }
}
