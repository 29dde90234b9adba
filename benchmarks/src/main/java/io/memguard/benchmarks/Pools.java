package io.memguard.benchmarks;

import com.sun.management.OperatingSystemMXBean;
import io.memguard.MemoryGuard;
import io.memguard.launch.LaunchException;
import io.memguard.launch.LaunchStep;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.AllocationDeniedException;
import io.memguard.outcome.Outcome;
import io.memguard.recover.PoolOptions;
import io.memguard.recover.RetryPolicy;
import io.memguard.recover.TaskQuarantinedException;
import io.memguard.recover.WorkerPool;
import io.memguard.recover.WorkerProcess;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.concurrent.atomic.LongAdder;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.CRC32;

/**
 * A pool that loses nothing: many tasks, some of them bombs, workers killed at random; and beside
 * it the same pool over plain processes with honest tasks alone. {@code benchmarks/pool} calls it.
 */
public final class Pools {
  private static final int WORKERS = 4;
  private static final int BOMBS_EACH = 100;
  private static final int KILL_EVERY_MILLIS = 2_000;
  private static final int ENOUGH_FOR_A_RATIO = 10_000;
  private static final double LEAST_RATIO = 0.9;
  private static final int LOOKS = 10;
  private static final int BETWEEN_MILLIS = 10;
  private static final int PATIENCE_SECONDS = 30;
  private static final MemoryLimits LIMITS = MemoryLimits.of("64MiB");
  private static final PoolOptions OPTIONS =
      PoolOptions.workers(WORKERS)
          .withRetry(RetryPolicy.onOutOfMemory().growBy(4).upTo("256MiB").otherFailures(10));

  private final ProcessBuilder worker;
  private final int tasks;

  private Pools(ProcessBuilder worker, int tasks) {
    this.worker = worker;
    this.tasks = tasks;
  }

  /** What a run came to. */
  private record Result(long millis, long honest, long bombs, long wrong, long kills) {
    double perSecond() {
      return honest * 1000.0 / millis;
    }
  }

  /** A plain process, of which nothing is known but its exit code. */
  private record Plain(Process process, Outcome ended) implements WorkerProcess {
    @Override
    public long pid() {
      return process.pid();
    }

    @Override
    public OutputStream getOutputStream() {
      return process.getOutputStream();
    }

    @Override
    public InputStream getInputStream() {
      return process.getInputStream();
    }

    @Override
    public InputStream getErrorStream() {
      return process.getErrorStream();
    }

    @Override
    public CompletableFuture<Outcome> outcome() {
      return process.onExit().thenApply(how -> ended);
    }

    @Override
    public CompletableFuture<Outcome> destroyTree(Duration grace) {
      process.destroyForcibly();
      return outcome();
    }
  }

  /**
   * Runs both.
   *
   * @param arguments the worker's script, and how many tasks
   */
  public static void main(String[] arguments) throws Exception {
    ProcessBuilder worker =
        new ProcessBuilder("/usr/bin/python3", "-S", arguments[0])
            .redirectError(ProcessBuilder.Redirect.DISCARD);
    Pools pools = new Pools(worker, Integer.parseInt(arguments[1]));
    try (MemoryGuard guard = MemoryGuard.create()) {
      Outcome nobodyReads = guard.run(new ProcessBuilder("true"), MemoryLimits.none());
      pools.run("warming up", pools.guarded(guard), false, 400);
      Map<String, Integer> before = held();
      Result plain = pools.run("plain", pools.plain(nobodyReads), false, pools.tasks);
      Result guarded = pools.run("guarded", pools.guarded(guard), true, pools.tasks);
      Map<String, Integer> after = held();
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
      while (leaks(before, after) && System.nanoTime() - deadline < 0) {
        after = held();
      }
      System.out.printf(
          Locale.ROOT, "throughput: %.3f of plain%n", guarded.perSecond() / plain.perSecond());
      System.out.println("held before: " + before);
      System.out.println("held after:  " + after);
      boolean leaks = leaks(before, after);
      boolean lost = plain.wrong + guarded.wrong > 0;
      boolean slow =
          pools.tasks >= ENOUGH_FOR_A_RATIO
              && guarded.perSecond() < LEAST_RATIO * plain.perSecond();
      System.out.println(
          lost
              ? "TASKS WERE LOST"
              : leaks ? "SOMETHING LEAKS" : slow ? "TOO SLOW" : "nothing was lost");
      System.exit(lost || leaks || slow ? 1 : 0);
    }
  }

  private WorkerPool guarded(MemoryGuard guard) {
    return guard.pool(worker, LIMITS, OPTIONS);
  }

  private WorkerPool plain(Outcome ended) {
    return WorkerPool.open(limits -> start(ended), LIMITS, OPTIONS);
  }

  private Plain start(Outcome ended) throws LaunchException {
    try {
      return new Plain(worker.start(), ended);
    } catch (IOException e) {
      throw new LaunchException(LaunchStep.EXEC, 0, String.valueOf(e.getMessage()), "");
    }
  }

  /** Submits all tasks, and checks every single completion. */
  private Result run(String name, WorkerPool pool, boolean bombs, int count) throws Exception {
    AtomicIntegerArray completions = new AtomicIntegerArray(count);
    LongAdder honest = new LongAdder();
    LongAdder quarantined = new LongAdder();
    LongAdder wrong = new LongAdder();
    Map<String, AtomicInteger> causes = new ConcurrentHashMap<>();
    AtomicBoolean over = new AtomicBoolean();
    AtomicInteger kills = new AtomicInteger();
    Thread killer = new Thread(() -> kill(pool, kills, over));
    long cpuBefore = cpuNanos();
    long began = System.nanoTime();
    if (bombs) {
      killer.start();
    }
    List<CompletableFuture<?>> checks = new ArrayList<>();
    Random random = new Random(count);
    for (int i = 0; i < count; i++) {
      int number = i;
      boolean bomb = bombs && i % BOMBS_EACH == 37;
      String task = bomb ? (random.nextBoolean() ? "huge " : "grow ") + i : "work " + i;
      checks.add(
          pool.submit(task.getBytes(StandardCharsets.UTF_8))
              .handle(
                  (answer, trouble) -> {
                    completions.incrementAndGet(number);
                    boolean right =
                        bomb
                            ? isDenied(trouble, causes)
                            : trouble == null && isRight(number, answer);
                    (right ? bomb ? quarantined : honest : wrong).increment();
                    return null;
                  }));
      if (i % 1000 == 999) {
        System.out.printf(Locale.ROOT, "%s: %d of %d%n", name, i + 1, count);
      }
    }
    pool.close();
    CompletableFuture.allOf(checks.toArray(new CompletableFuture<?>[0])).get(1, TimeUnit.MINUTES);
    long millis = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - began);
    over.set(true);
    killer.join();
    for (int i = 0; i < count; i++) {
      if (completions.get(i) != 1) {
        wrong.increment();
      }
    }
    Result result = new Result(millis, honest.sum(), quarantined.sum(), wrong.sum(), kills.get());
    System.out.printf(
        Locale.ROOT,
        "%s: %.1f s, %.1f s of the JVM's CPU, %.1f honest tasks a second; %d honest done, %d bombs quarantined, %d wrong; %d workers"
            + " killed; %s; causes %s%n",
        name,
        millis / 1000.0,
        TimeUnit.NANOSECONDS.toMillis(cpuNanos() - cpuBefore) / 1000.0,
        result.perSecond(),
        result.honest,
        result.bombs,
        result.wrong,
        result.kills,
        pool.statistics(),
        new TreeMap<>(causes));
    return result;
  }

  private static long cpuNanos() {
    return ManagementFactory.getPlatformMXBean(OperatingSystemMXBean.class).getProcessCpuTime();
  }

  private static boolean isDenied(Throwable trouble, Map<String, AtomicInteger> causes) {
    if (!(trouble instanceof TaskQuarantinedException reason)) {
      return false;
    }
    Throwable cause = reason.getCause();
    String name =
        cause instanceof AllocationDeniedException denied
            ? denied.outcome().cause() + " " + denied.outcome().confidence()
            : String.valueOf(reason.getMessage());
    causes.computeIfAbsent(name, first -> new AtomicInteger()).incrementAndGet();
    return cause instanceof AllocationDeniedException;
  }

  private static boolean isRight(int number, byte[] answer) {
    CRC32 crc = new CRC32();
    crc.update(("work " + number).getBytes(StandardCharsets.UTF_8));
    return new String(answer, StandardCharsets.UTF_8).equals(Long.toString(crc.getValue()));
  }

  /** Kills a random worker every other second, whatever it does. */
  private static void kill(WorkerPool pool, AtomicInteger kills, AtomicBoolean over) {
    while (!over.get()) {
      try {
        Thread.sleep(KILL_EVERY_MILLIS);
      } catch (InterruptedException e) {
        return;
      }
      List<WorkerPool.WorkerState> workers = pool.workers();
      if (!workers.isEmpty()) {
        long pid = workers.get(ThreadLocalRandom.current().nextInt(workers.size())).pid();
        kills.addAndGet(
            (int)
                ProcessHandle.current()
                    .children()
                    .filter(child -> child.pid() == pid && child.destroyForcibly())
                    .count());
      }
    }
  }

  private static boolean leaks(Map<String, Integer> before, Map<String, Integer> after) {
    return after.entrySet().stream()
        .anyMatch(it -> it.getValue() > before.getOrDefault(it.getKey(), 0));
  }

  /**
   * Returns how much this process holds for good when all is quiet: what is there in all of several
   * looks, and not a file that memguard is just reading.
   */
  private static Map<String, Integer> held() throws IOException, InterruptedException {
    System.gc(); // pipes of plain processes
    Thread.sleep(3_000); // threads of futures
    Map<String, Set<Object>> held = look();
    for (int i = 1; i < LOOKS; i++) {
      Thread.sleep(BETWEEN_MILLIS);
      Map<String, Set<Object>> now = look();
      held.forEach((what, names) -> names.retainAll(now.getOrDefault(what, Set.of())));
    }
    Map<String, Integer> counts = new TreeMap<>();
    held.forEach((what, names) -> counts.put(what, names.size()));
    return counts;
  }

  private static Map<String, Set<Object>> look() throws IOException {
    try (Stream<ProcessHandle> children = ProcessHandle.current().descendants();
        Stream<Path> descriptors = Files.list(Path.of("/proc/self/fd"))) {
      Stream<Thread> threads = Thread.getAllStackTraces().keySet().stream();
      return Map.of(
          "children", children.collect(Collectors.toSet()),
          "descriptors",
              descriptors.map(Pools::open).flatMap(Optional::stream).collect(Collectors.toSet()),
          "pool's threads",
              threads
                  .filter(thread -> thread.getName().startsWith("memguard-pool"))
                  .collect(Collectors.toSet()));
    }
  }

  /** Says what a descriptor is of; empty for the look's own, and for one closed meanwhile. */
  private static Optional<String> open(Path descriptor) {
    try {
      Path target = Files.readSymbolicLink(descriptor);
      return target.endsWith("fd")
          ? Optional.empty()
          : Optional.of(descriptor.getFileName() + " -> " + target);
    } catch (IOException e) {
      return Optional.empty();
    }
  }
}
