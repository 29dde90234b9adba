package io.memguard;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.memguard.limits.GuardOptions;
import io.memguard.limits.GuardOptions.HeadroomGuard;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Cause;
import io.memguard.outcome.Outcome;
import io.memguard.platform.cgroup.Machine;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * How far a child gets that fills memory as fast as it can, after it has passed the threshold at
 * which memguard acts: of huge pages, the fastest way, of small ones, and of a file in memory;
 * {@code benchmarks/overshoot} calls it.
 *
 * <p>It is in memguard's own package to have a guard in a container that is but a few files.
 */
public final class Overshoot {
  private static final long MIB = 1L << 20;
  private static final long LIMIT = 1024 * MIB;
  private static final long RESERVE = 512 * MIB;
  private static final int THREADS = Runtime.getRuntime().availableProcessors();
  private static final int WARM_UP = 20;

  /** These are filled slowly: so many times fewer runs will do. */
  private static final int FEWER = 10;

  private static final List<String> SLOWER = List.of("small", "written");

  private static final long FORKS_LIMIT = 128 * MIB;
  private static final String FORKS_MIB = "112";
  private static final String FORKS_ROUNDS = "5";

  private final Path fill;
  private final Path forks;
  private final Path scratch;
  private final int runs;
  private final Path progress;

  private Overshoot(Path programs, Path scratch, int runs) throws IOException {
    this.fill = programs.resolve("fill");
    this.forks = programs.resolve("forks");
    this.scratch = scratch;
    this.runs = runs;
    progress = Files.createFile(scratch.resolve("progress"));
  }

  /** Measures. */
  public static void main(String[] arguments) throws Exception {
    Path scratch = Files.createTempDirectory(Path.of("/dev/shm"), "memguard-overshoot");
    try {
      new Overshoot(Path.of(arguments[0]), scratch, Integer.parseInt(arguments[1])).measure();
    } finally {
      try (var files = Files.walk(scratch)) {
        files.sorted((a, b) -> b.compareTo(a)).forEach(file -> file.toFile().delete());
      }
    }
  }

  private void measure() throws Exception {
    for (int threads : new int[] {1, THREADS}) {
      for (String way : List.of("small", "written", "huge")) {
        say("fills %s MiB/s: %d threads, %s", rate(threads, way), threads, way);
      }
    }
    Path usage = container();
    GuardOptions options =
        GuardOptions.defaults().withHeadroomGuard(HeadroomGuard.ON).withReserve(RESERVE);
    try (MemoryGuard guard = MemoryGuard.create(new Machine(scratch), options)) {
      String file = usage.toString();
      report("head-room guard", "huge", runs, guard, MemoryLimits.none(), file);
      for (String way : SLOWER) {
        report("head-room guard", way, runs / FEWER, guard, MemoryLimits.none(), file);
      }
    }
    try (MemoryGuard guard = MemoryGuard.create()) {
      MemoryLimits limits = MemoryLimits.none().withTreeMemory(LIMIT - RESERVE);
      report("tree watch", "huge", runs, guard, limits, "-");
      for (String way : SLOWER) {
        report("tree watch", way, runs / FEWER, guard, limits, "-");
      }
      spare(guard);
    }
  }

  private String rate(int threads, String way) throws Exception {
    begin("-");
    Process one = command("-", 0, threads, way).start();
    String said = new String(one.getInputStream().readAllBytes(), UTF_8).strip();
    one.waitFor();
    return said;
  }

  private void report(
      String what, String way, int times, MemoryGuard guard, MemoryLimits limits, String usage)
      throws Exception {
    double[] mebibytes = new double[times];
    double[] millis = new double[times];
    int early = 0;
    for (int run = -WARM_UP; run < times; run++) {
      begin(usage);
      Outcome outcome = guard.run(command(usage, LIMIT - RESERVE, THREADS, way), limits);
      if (!(outcome instanceof Outcome.OutOfMemory memory && memory.cause() == Cause.PREEMPTED)) {
        throw new IllegalStateException("not what was to be measured: " + outcome.explanation());
      }
      ByteBuffer noted =
          ByteBuffer.wrap(Files.readAllBytes(progress)).order(ByteOrder.nativeOrder());
      if (run >= 0) {
        long passed = noted.getLong(8);
        mebibytes[run] = (noted.getLong(0) - (LIMIT - RESERVE)) / (double) MIB;
        millis[run] = passed == 0 ? 0 : (noted.getLong(16) - passed) / 1e6;
        early += passed == 0 ? 1 : 0;
      }
    }
    Arrays.sort(mebibytes);
    Arrays.sort(millis);
    say(
        "%-16s %d threads, %-7s, %d runs: median %5.0f MiB %5.1f ms, 99th percentile %5.0f MiB %5.1f ms,"
            + " most %5.0f MiB %5.1f ms; %d before it had passed",
        what,
        THREADS,
        way,
        times,
        mebibytes[times / 2],
        millis[times / 2],
        mebibytes[times - 1 - times / 100],
        millis[times - 1 - times / 100],
        mebibytes[times - 1],
        millis[times - 1],
        early);
  }

  /** Those that fork much, and stay under their limit, are not to be ended. */
  private void spare(MemoryGuard guard) throws Exception {
    MemoryLimits limits = MemoryLimits.none().withTreeMemory(FORKS_LIMIT);
    List<String> command = List.of(forks.toString(), FORKS_MIB, FORKS_ROUNDS);
    int ended = 0;
    for (int run = 0; run < runs; run++) {
      Outcome outcome = guard.run(new ProcessBuilder(command), limits);
      if (!outcome.isSuccess()) {
        ended++;
        say("%s", outcome.explanation());
      }
    }
    say(
        "tree watch       %s MiB of %d held, %s times 8 forks: %d runs, %d ended although they stayed under their limit",
        FORKS_MIB, FORKS_LIMIT / MIB, FORKS_ROUNDS, runs, ended);
  }

  private void begin(String usage) throws IOException {
    Files.write(progress, new byte[3 * Long.BYTES]);
    if (!usage.equals("-")) { // in place: a file that is empty for a moment is no container's
      try (FileChannel file = FileChannel.open(Path.of(usage), StandardOpenOption.WRITE)) {
        file.write(ByteBuffer.wrap("%020d%n".formatted(0).getBytes(UTF_8)));
      }
    }
  }

  private ProcessBuilder command(String usage, long threshold, int threads, String way) {
    return new ProcessBuilder(
        new ArrayList<>(
            List.of(
                fill.toString(),
                progress.toString(),
                usage,
                Long.toString(threshold),
                Integer.toString(threads),
                way)));
  }

  /** Makes a container with a limit; what it uses is what the child says. */
  private Path container() throws IOException {
    write("proc/self/cgroup", "0::/\n");
    write("proc/self/mountinfo", "30 23 0:26 / /cgroup ro - cgroup2 cgroup2 rw,nsdelegate\n");
    write("cgroup/cgroup.controllers", "memory\n");
    write("cgroup/cgroup.procs", "1\n");
    write("cgroup/cgroup.events", "populated 1\n");
    write("cgroup/memory.max", LIMIT + "\n");
    write("cgroup/memory.stat", "inactive_file 0\nactive_file 0\n");
    return write("cgroup/memory.current", "%020d%n".formatted(0));
  }

  private Path write(String name, String text) throws IOException {
    Path file = scratch.resolve(name);
    Files.createDirectories(file.getParent());
    return Files.writeString(file, text);
  }

  private static void say(String form, Object... values) {
    System.out.println(String.format(Locale.ROOT, form, values));
  }
}
