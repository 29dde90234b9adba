package io.memguard.benchmarks;

import com.sun.management.OperatingSystemMXBean;
import io.memguard.GuardedProcess;
import io.memguard.MemoryGuard;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.outcome.Outcome;
import java.io.File;
import java.lang.ProcessBuilder.Redirect;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** What watching costs, and how soon an end is known; {@code benchmarks/watching} calls it. */
public final class Watching {
  private static final int CHILDREN = 2000;
  private static final int KILLS = 500;
  private static final int WARM_UP = 200;
  private static final int IDLE_SECONDS = 10;
  private static final double CPU_TARGET_PERCENT = 1;
  private static final double KILL_TARGET_MILLIS = 10;
  private static final double PERCENT = 100;
  private static final MemoryLimits LIMITS =
      MemoryLimits.of("512MiB").with(Protection.TREE_WATCH, Requirement.OFF); // see Trees
  private static final File NOTHING = new File("/dev/null");

  /** No pipes: it is the watch for the end that is measured. */
  private static final ProcessBuilder SLEEP =
      new ProcessBuilder("sleep", "1000")
          .redirectInput(Redirect.from(NOTHING))
          .redirectOutput(Redirect.to(NOTHING))
          .redirectError(Redirect.to(NOTHING));

  private Watching() {}

  /** Measures, and exits with 1 if a target is missed. */
  public static void main(String[] none) throws Exception {
    boolean idle;
    boolean killed;
    try (MemoryGuard guard = MemoryGuard.create()) {
      idle = idle(guard);
      killed = killed(guard);
    }
    System.exit(idle && killed ? 0 : 1);
  }

  private static boolean idle(MemoryGuard guard) throws Exception {
    List<GuardedProcess> children = new ArrayList<>();
    for (int i = 0; i < CHILDREN; i++) {
      children.add(guard.start(SLEEP, LIMITS));
    }
    List<String> threads =
        Thread.getAllStackTraces().keySet().stream()
            .map(Thread::getName)
            .filter(name -> name.startsWith("memguard"))
            .toList();
    TimeUnit.SECONDS.sleep(2); // the compiler has things to do after the launches
    OperatingSystemMXBean jvm =
        (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    long cpu = jvm.getProcessCpuTime();
    long began = System.nanoTime();
    TimeUnit.SECONDS.sleep(IDLE_SECONDS);
    double percent = (jvm.getProcessCpuTime() - cpu) * PERCENT / (System.nanoTime() - began);
    long alive = children.stream().filter(Process::isAlive).count();
    say(
        "%d children alive, %d of them to the end: memguard's threads are %s; the JVM used %.2f %% of a core in"
            + " %d idle seconds (target: less than %.0f %%)",
        CHILDREN, alive, threads, percent, IDLE_SECONDS, CPU_TARGET_PERCENT);
    children.forEach(Process::destroyForcibly);
    for (GuardedProcess child : children) {
      child.waitFor();
    }
    return alive == CHILDREN && threads.size() == 1 && percent < CPU_TARGET_PERCENT;
  }

  private static boolean killed(MemoryGuard guard) throws Exception {
    double[] millis = new double[KILLS];
    for (int i = -WARM_UP; i < KILLS; i++) {
      double one = kill(guard);
      if (i >= 0) {
        millis[i] = one;
      }
    }
    Arrays.sort(millis);
    double median = millis[KILLS / 2];
    say(
        "SIGKILL until the outcome is known, %d children: median %.2f ms, 99th percentile %.2f ms, most %.2f ms"
            + " (target: less than %.0f ms)",
        KILLS, median, millis[KILLS - 1 - KILLS / 100], millis[KILLS - 1], KILL_TARGET_MILLIS);
    return median < KILL_TARGET_MILLIS;
  }

  /** Kills a child as a stranger would: memguard has not sent the signal. */
  private static double kill(MemoryGuard guard) throws Exception {
    GuardedProcess child = guard.start(SLEEP, LIMITS);
    CompletableFuture<Long> known = child.outcome().thenApply(Watching::now);
    ProcessHandle stranger = ProcessHandle.of(child.pid()).orElseThrow();
    long sent = System.nanoTime();
    stranger.destroyForcibly();
    return (known.get() - sent) / (double) TimeUnit.MILLISECONDS.toNanos(1);
  }

  private static long now(Outcome outcome) {
    if (!(outcome instanceof Outcome.Signalled)) {
      throw new IllegalStateException("not what was to be measured: " + outcome);
    }
    return System.nanoTime();
  }

  private static void say(String form, Object... values) {
    System.out.println(String.format(Locale.ROOT, form, values));
  }
}
