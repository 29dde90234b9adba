package io.memguard.lab;

import io.memguard.GuardedProcess;
import io.memguard.MemoryGuard;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.outcome.Outcome;
import java.io.BufferedReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;

/**
 * A supervisor of two children that hold {@value #MIB} MiB each: says how each ended.
 *
 * <p>Arguments: a file to make when both hold it; whether a leaf is wanted ({@code off} or {@code
 * require}); and whether the second one is spared by the kernel, and killed by a stranger as soon
 * as the first has ended ({@code stranger}, or {@code threadless}, for which this process may not
 * have another thread then, or {@code alone}).
 */
final class TwoAtOnce {
  static final int MIB = 40;
  private static final int SPARED = -1000;
  private static final Path PIDS_MAX = Path.of("/sys/fs/cgroup/pod/supervisor/pids.max");

  private TwoAtOnce() {}

  public static void main(String[] arguments) throws Exception {
    MemoryLimits limits =
        MemoryLimits.of("1GiB")
            .with(Protection.RLIMIT_DATA, Requirement.OFF)
            .with(
                Protection.CGROUP_LEAF, Requirement.valueOf(arguments[1].toUpperCase(Locale.ROOT)));
    try (MemoryGuard guard = MemoryGuard.create()) {
      GuardedProcess first = holding(MIB, guard, limits);
      boolean stranger = !arguments[2].equals("alone");
      GuardedProcess second =
          holding(MIB, guard, stranger ? limits.withOomScoreAdj(SPARED) : limits);
      Files.createFile(Path.of(arguments[0]));
      if (stranger) {
        first.waitFor();
        ProcessHandle process = ProcessHandle.of(second.pid()).orElseThrow();
        if (arguments[2].equals("threadless")) {
          Files.writeString(PIDS_MAX, "1");
        }
        process.destroyForcibly();
        second.waitFor();
        if (arguments[2].equals("threadless")) {
          Files.writeString(PIDS_MAX, "max");
        }
      }
      for (GuardedProcess child : List.of(first, second)) {
        Outcome outcome = child.outcome().join();
        System.out.println("verdict: " + LeafSupervisor.verdict(outcome));
        System.out.println(outcome.explanation());
      }
    }
  }

  private static GuardedProcess holding(int mib, MemoryGuard guard, MemoryLimits limits)
      throws Exception {
    String program = "$x = q(x) x (shift() << 20); $| = 1; print qq(held\\n); sleep 1000";
    GuardedProcess child =
        guard.start(new ProcessBuilder("perl", "-e", program, Integer.toString(mib)), limits);
    BufferedReader said = child.inputReader(StandardCharsets.UTF_8);
    if (!"held".equals(said.readLine())) {
      throw new IllegalStateException("a child did not get its memory: " + child.outcome().join());
    }
    return child;
  }
}
