package io.memguard.lab;

import io.memguard.GuardedProcess;
import io.memguard.MemoryGuard;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.limits.Requirement;
import io.memguard.outcome.MemoryReading;
import io.memguard.outcome.Outcome;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * A supervisor for the lab that says, in one line a run, how each of its children ended.
 *
 * <p>Arguments: whether a leaf is wanted ({@code off}, {@code prefer}, {@code require}), and four
 * for each series of runs: the limit, or {@code none}; whether RLIMIT_DATA is ({@code rlimit} or
 * {@code no-rlimit}); how many runs; and what the child does, see {@link #child}.
 */
final class LeafSupervisor {
  private static final int SERIES = 4;
  private static final long HELD = 12 << 20;

  /** Grows step by step: who is refused a large block at once may go on without. */
  private static final String GREEDY = "$x .= q(x) x 1_000_000 for 1..200";

  /**
   * For a leaf's child that is to outlive its own child: a leaf is killed as a whole otherwise.
   * Elsewhere there is nothing to write to.
   */
  private static final String SPARE =
      "{ echo 0 >/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)/memory.oom.group; } 2>&-;"
          + " perl -e '"
          + GREEDY
          + "'; ";

  private LeafSupervisor() {}

  /** Returns the command that runs this class. */
  static List<String> command(String... arguments) {
    return command(LeafSupervisor.class, arguments);
  }

  /**
   * Returns the command that runs a class. Interpreted, it is there in half the time: compiling is
   * slow in the lab, and nothing here runs long enough to gain by it.
   */
  static List<String> command(Class<?> main, String... arguments) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of("-Xmx16m", "-XX:+UseSerialGC", "-Xint", "-Xshare:auto"));
    command.addAll(List.of("-cp", System.getProperty("java.class.path")));
    command.add(main.getName());
    command.addAll(List.of(arguments));
    return command;
  }

  public static void main(String[] arguments) throws Exception {
    Requirement leaf = Requirement.valueOf(arguments[0].toUpperCase(Locale.ROOT));
    Set<Path> leaves = new HashSet<>();
    try (MemoryGuard guard = MemoryGuard.create()) {
      System.out.println(
          "capable: " + guard.capabilities().protections().get(Protection.CGROUP_LEAF));
      for (int at = 1; at < arguments.length; at += SERIES) {
        MemoryLimits limits =
            arguments[at].equals("none") ? MemoryLimits.none() : MemoryLimits.of(arguments[at]);
        limits = limits.with(Protection.CGROUP_LEAF, leaf);
        if (arguments[at + 1].equals("no-rlimit")) {
          limits = limits.with(Protection.RLIMIT_DATA, Requirement.OFF);
        }
        for (int run = 0; run < Integer.parseInt(arguments[at + 2]); run++) {
          leaves.addAll(run(guard, limits, arguments[at + 3]));
        }
      }
    }
    leaves.removeIf(Files::notExists);
    if (!leaves.isEmpty()) {
      throw new IllegalStateException("left behind: " + leaves);
    }
    System.out.println("supervisor lives");
  }

  /** Returns the leaf, if there was one. */
  private static Set<Path> run(MemoryGuard guard, MemoryLimits limits, String what)
      throws Exception {
    GuardedProcess child = guard.start(child(what), limits);
    ProtectionState leaf = child.protections().get(Protection.CGROUP_LEAF);
    System.out.println(
        "leaf: " + (leaf == null ? "not asked for" : leaf.active() + " " + leaf.reason()));
    System.out.println("protections: " + active(child));
    if (what.equals("hang")) {
      System.out.println("child: " + child.pid());
      child.waitFor();
    }
    if (what.equals("survivor")) { // it becomes sleep(1) when its own child was killed
      Path name = Path.of("/proc", Long.toString(child.pid()), "comm");
      while (!Files.readString(name).equals("sleep\n")) {
        Thread.sleep(20);
      }
    }
    if (what.equals("holds")) {
      System.out.println("memory: " + whenItHolds(child));
    }
    if (List.of("sleep", "survivor", "holds").contains(what)) {
      ProcessHandle.of(child.pid()).orElseThrow().destroyForcibly();
    }
    Outcome outcome = child.outcome().join();
    System.out.println("verdict: " + verdict(outcome));
    System.out.println(outcome.explanation());
    return leaf != null && leaf.active()
        ? Set.of(Path.of(leaf.reason().split(" ", 2)[0]))
        : Set.of();
  }

  private static String whenItHolds(GuardedProcess child) throws InterruptedException {
    MemoryReading reading = child.memory().orElseThrow();
    while (reading.bytes() < HELD) {
      Thread.sleep(20);
      reading = child.memory().orElseThrow();
    }
    return reading.source()
        + ", "
        + (reading.bytes() - HELD < HELD ? "what it holds" : "more")
        + (reading.limitBytes().equals(child.limits().treeMemoryMax()) ? ", of its limit" : "")
        + ", processes "
        + reading.processes();
  }

  private static String active(GuardedProcess child) {
    return child.protections().entrySet().stream()
        .filter(protection -> protection.getValue().active())
        .map(protection -> protection.getKey().name())
        .collect(Collectors.joining(", "));
  }

  static String verdict(Outcome outcome) {
    if (outcome instanceof Outcome.OutOfMemory memory) {
      return memory.cause() + " " + memory.confidence();
    }
    return outcome instanceof Outcome.Exited exited
        ? "Exited " + exited.code()
        : outcome.getClass().getSimpleName();
  }

  /**
   * What a child does: {@code greedy} takes too much; {@code crowd} does with eight others; {@code
   * spared} and {@code mourner} have a child that does, and then exit with 0 or with its status;
   * {@code survivor} has one too, and is then killed by somebody who is not memguard, as {@code
   * sleep} is; {@code holds} has 12 MiB when it is asked; {@code clean} exits; and for {@code hang}
   * the supervisor waits for ever. What {@code greedy} says at its end is read: without a word, it
   * would not be certain why it ended where the machine is slow to notice that.
   */
  private static ProcessBuilder child(String what) {
    ProcessBuilder builder =
        switch (what) {
          case "greedy" -> new ProcessBuilder("perl", "-e", GREEDY);
          case "crowd" ->
              new ProcessBuilder(
                  "sh",
                  "-c",
                  "for i in 1 2 3 4 5 6 7 8; do perl -e '$x = q(x) x 10_000_000; sleep 60' & done; wait");
          case "spared" -> new ProcessBuilder("sh", "-c", SPARE + "exit 0");
          case "survivor" -> new ProcessBuilder("sh", "-c", SPARE + "exec sleep 1000");
          case "mourner" -> new ProcessBuilder("sh", "-c", SPARE + "exit $?");
          case "holds" -> new ProcessBuilder("perl", "-e", "$x = q(x) x " + HELD + "; sleep 1000");
          case "clean" -> new ProcessBuilder("true");
          case "sleep", "hang" -> new ProcessBuilder("sleep", "1000");
          default -> throw new IllegalArgumentException(what);
        };
    return builder
        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
        .redirectError(
            what.equals("greedy") ? ProcessBuilder.Redirect.PIPE : ProcessBuilder.Redirect.DISCARD);
  }
}
