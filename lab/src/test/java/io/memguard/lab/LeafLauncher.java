package io.memguard.lab;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.memguard.GuardedProcess;
import io.memguard.MemoryGuard;
import io.memguard.launch.LaunchException;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.limits.Requirement;
import io.memguard.outcome.Outcome;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Launches children into leaves, and says what became of it. Its first argument says how:
 *
 * <ul>
 *   <li>{@code ask}: makes a guard, says {@code ready}, waits for a line, and then launches one
 *       child whose leaf is required, and one whose leaf is preferred;
 *   <li>{@code hold N SCRIPT}: starts N children that run the script, says their pids, and waits
 *       for ever;
 *   <li>{@code many N}: launches N children one after the other, and says what is left.
 * </ul>
 */
final class LeafLauncher {
  private static final MemoryLimits LIMITS = MemoryLimits.of("64MiB");
  private static final int WARM_UP = 50;

  private LeafLauncher() {}

  /** Returns the command that runs this class. */
  static String[] command(String engine, String... arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    Collections.addAll(command, "-Xmx24m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1");
    Collections.addAll(command, "-Xshare:auto", "-Dmemguard.engine=" + engine);
    Collections.addAll(command, "-cp", System.getProperty("java.class.path"));
    command.add(LeafLauncher.class.getName());
    Collections.addAll(command, arguments);
    return command.toArray(String[]::new);
  }

  public static void main(String[] arguments) throws Exception {
    try (MemoryGuard guard = MemoryGuard.create()) {
      switch (arguments[0]) {
        case "ask" -> ask(guard);
        case "hold" -> hold(guard, Integer.parseInt(arguments[1]), arguments[2]);
        case "many" -> many(guard, Integer.parseInt(arguments[1]));
        default -> throw new IllegalArgumentException(arguments[0]);
      }
    }
  }

  private static void ask(MemoryGuard guard) throws Exception {
    System.out.println("ready");
    new BufferedReader(new InputStreamReader(System.in, UTF_8)).readLine();
    for (Requirement wanted : List.of(Requirement.REQUIRE, Requirement.PREFER)) {
      try {
        GuardedProcess child =
            guard.start(quiet("true"), LIMITS.with(Protection.CGROUP_LEAF, wanted));
        ProtectionState leaf = child.protections().get(Protection.CGROUP_LEAF);
        Outcome outcome = child.outcome().join();
        System.out.println(wanted + " launched, " + outcome.summary());
        System.out.println(wanted + " leaf " + leaf.active() + ": " + leaf.reason());
      } catch (LaunchException e) {
        System.out.println(wanted + " refused: " + e.getMessage());
      }
    }
  }

  private static void hold(MemoryGuard guard, int children, String script) throws Exception {
    MemoryLimits limits = LIMITS.with(Protection.CGROUP_LEAF, Requirement.REQUIRE);
    for (int i = 0; i < children; i++) {
      GuardedProcess child = guard.start(new ProcessBuilder("sh", "-c", script), limits);
      child.getInputStream().read(); // until it says that it is there
      System.out.println("child: " + child.pid());
    }
    System.out.println("all");
    Thread.sleep(Long.MAX_VALUE);
  }

  private static void many(MemoryGuard guard, int launches) throws Exception {
    MemoryLimits limits = LIMITS.with(Protection.CGROUP_LEAF, Requirement.REQUIRE);
    for (int i = 0; i < WARM_UP; i++) {
      guard.run(quiet("true"), limits).orThrow();
    }
    int descriptors = Held.DESCRIPTORS.count();
    int threads = Held.THREADS.count();
    long began = System.nanoTime();
    for (int i = 0; i < launches; i++) {
      guard.run(quiet("true"), limits).orThrow();
    }
    long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began);
    System.out.println("descriptors more: " + Held.DESCRIPTORS.moreThan(descriptors));
    System.out.println("threads more: " + Held.THREADS.moreThan(threads));
    long watches = Listener.inotifies().stream().mapToLong(Long::longValue).sum();
    System.out.println("watches: " + watches);
    System.out.println(launches + " launches in " + millis + " ms");
  }

  private static ProcessBuilder quiet(String program) {
    return new ProcessBuilder(program)
        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
        .redirectError(ProcessBuilder.Redirect.DISCARD);
  }
}
