package io.memguard.lab;

import io.memguard.GuardedProcess;
import io.memguard.MemoryGuard;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.limits.Requirement;
import io.memguard.outcome.Outcome;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * A supervisor for the lab that says, in one line a run, how each of its children ended.
 *
 * <p>Arguments: whether a leaf is wanted ({@code off}, {@code prefer}, {@code require}); the limit,
 * or {@code none}; whether RLIMIT_DATA is ({@code rlimit} or {@code no-rlimit}); how many runs; and
 * what the child does: {@code greedy}, {@code crowd}, {@code clean}, or {@code sleep}, which is
 * killed by somebody who is not memguard, or {@code hang}, for which this waits for ever.
 */
final class LeafSupervisor {
  private LeafSupervisor() {}

  /** Returns the command that runs this class. */
  static List<String> command(String... arguments) {
    return command(LeafSupervisor.class, arguments);
  }

  /** Returns the command that runs a class. */
  static List<String> command(Class<?> main, String... arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(
        List.of("-Xmx16m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"));
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.add(main.getName());
    command.addAll(List.of(arguments));
    return command;
  }

  public static void main(String[] arguments) throws Exception {
    Requirement leaf = Requirement.valueOf(arguments[0].toUpperCase(Locale.ROOT));
    MemoryLimits limits =
        arguments[1].equals("none") ? MemoryLimits.none() : MemoryLimits.of(arguments[1]);
    limits = limits.with(Protection.CGROUP_LEAF, leaf);
    if (arguments[2].equals("no-rlimit")) {
      limits = limits.with(Protection.RLIMIT_DATA, Requirement.OFF);
    }
    try (MemoryGuard guard = MemoryGuard.create()) {
      System.out.println(
          "capable: " + guard.capabilities().protections().get(Protection.CGROUP_LEAF));
      for (int run = 0; run < Integer.parseInt(arguments[3]); run++) {
        run(guard, limits, arguments[4]);
      }
    }
    System.out.println("supervisor lives");
  }

  private static void run(MemoryGuard guard, MemoryLimits limits, String what) throws Exception {
    GuardedProcess child = guard.start(child(what), limits);
    ProtectionState leaf = child.protections().get(Protection.CGROUP_LEAF);
    System.out.println(
        "leaf: " + (leaf == null ? "not asked for" : leaf.active() + " " + leaf.reason()));
    if (what.equals("hang")) {
      System.out.println("child: " + child.pid());
      child.waitFor();
    }
    if (what.equals("sleep")) {
      ProcessHandle.of(child.pid()).orElseThrow().destroyForcibly();
    }
    Outcome outcome = child.outcome().join();
    System.out.println("verdict: " + verdict(outcome));
    System.out.println(outcome.explanation());
  }

  static String verdict(Outcome outcome) {
    return outcome instanceof Outcome.OutOfMemory memory
        ? memory.cause() + " " + memory.confidence()
        : outcome.getClass().getSimpleName();
  }

  private static ProcessBuilder child(String what) {
    ProcessBuilder builder =
        switch (what) {
          case "greedy" -> new ProcessBuilder("perl", "-e", "$x = q(x) x 200_000_000");
          case "crowd" ->
              new ProcessBuilder(
                  "sh",
                  "-c",
                  "for i in 1 2 3 4 5 6 7 8; do perl -e '$x = q(x) x 10_000_000; sleep 60' & done; wait");
          case "clean" -> new ProcessBuilder("true");
          case "sleep", "hang" -> new ProcessBuilder("sleep", "1000");
          default -> throw new IllegalArgumentException(what);
        };
    return builder
        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
        .redirectError(ProcessBuilder.Redirect.DISCARD);
  }
}
