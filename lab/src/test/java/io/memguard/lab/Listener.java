package io.memguard.lab;

import io.memguard.GuardedProcess;
import io.memguard.MemoryGuard;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.outcome.MemoryEvent;
import io.memguard.outcome.MemoryEvent.Kind;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * A supervisor for the lab that prints what its listener is told of a child with a leaf.
 *
 * <p>Arguments: what is to happen ({@code high}, {@code max}, {@code descendant}, {@code worker},
 * {@code itself}), or {@code many}, which is for many launches (MEMGUARD_LAUNCHES, or 500), and
 * what is left of them.
 */
final class Listener {
  private static final MemoryLimits LIMITS =
      MemoryLimits.of("24MiB")
          .with(Protection.RLIMIT_DATA, Requirement.OFF)
          .with(Protection.CGROUP_LEAF, Requirement.REQUIRE);
  private static final int PATIENCE_SECONDS = 60;

  /** Each reads a line first, so that the leaf can be set up, and another one in the end. */
  private static final String HIGH = "read x; perl -e '$x = q(x) x (shift() << 20)' 9; read x";

  private static final String MAX =
      "read x; dd if=\"$JAVA_HOME/lib/modules\" of=/dev/null bs=1M count=40 2>/dev/null; read x";

  private static final String DESCENDANT =
      "read x; perl -e '$x = q(x) x (shift() << 20)' 200 & echo $!; wait $!; read x";

  /** A supervisor that is larger than its worker when that has filled the cgroup. */
  private static final String POOL =
      """
      <STDIN>;
      my $held = q(x) x (shift() << 20);
      my $worker = fork;
      exec $^X, '-e', '$x = q(x) x (shift() << 20)', 200 unless $worker;
      $| = 1;
      print "$worker\\n";
      waitpid $worker, 0;
      <STDIN>;
      """;

  private final BlockingQueue<MemoryEvent> told = new LinkedBlockingQueue<>();

  private Listener() {}

  public static void main(String[] arguments) throws Exception {
    try (MemoryGuard guard = MemoryGuard.create()) {
      switch (arguments[0]) {
        case "high" -> new Listener().watch(guard, HIGH, "memory.high", "8388608", Kind.HIGH);
        case "max" -> new Listener().watch(guard, MAX, "memory.oom.group", "1", Kind.MAX);
        case "descendant" ->
            new Listener().watch(guard, DESCENDANT, "memory.oom.group", "0", Kind.OOM_KILL);
        case "worker" -> new Listener().worker(guard);
        case "itself" -> new Listener().itself(guard);
        case "many" -> many(guard);
        default -> throw new IllegalArgumentException(arguments[0]);
      }
    }
  }

  /** A child in whose leaf something is set, and something happens that it survives. */
  private void watch(MemoryGuard guard, String script, String file, String value, Kind awaited)
      throws Exception {
    GuardedProcess child =
        guard.start(
            new ProcessBuilder("sh", "-c", script),
            LIMITS,
            LaunchOptions.defaults().withMemoryListener(told::add));
    Path leaf = leaf(child.pid());
    if (Files.exists(leaf.resolve(file))) { // cgroup v1 has no groups to kill
      Files.writeString(leaf.resolve(file), value);
    }
    watch(child, awaited, leaf.resolve(file));
  }

  /** A supervisor whose worker is killed, though the supervisor is larger. */
  private void worker(MemoryGuard guard) throws Exception {
    GuardedProcess child =
        guard.start(
            new ProcessBuilder("perl", "-e", POOL, "12"),
            LIMITS.with(Protection.WORKERS_FIRST, Requirement.REQUIRE),
            LaunchOptions.defaults().withMemoryListener(told::add));
    watch(child, Kind.OOM_KILL, leaf(child.pid()));
  }

  private void watch(GuardedProcess child, Kind awaited, Path file) throws Exception {
    OutputStream stdin = child.getOutputStream();
    newline(stdin);
    if (awaited == Kind.OOM_KILL) {
      BufferedReader said = child.inputReader(StandardCharsets.UTF_8);
      System.out.println("descendant: " + said.readLine());
    }
    MemoryEvent event;
    do {
      event = told.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
      System.out.println((child.isAlive() ? "alive: " : "dead: ") + text(event, child));
    } while (event != null && event.kind() != awaited);
    if (awaited == Kind.HIGH) {
      Files.writeString(file, "max"); // or it would take minutes to go on
    }
    newline(stdin);
    end(child);
  }

  /** A child that is killed, of which all is to be told before its outcome is. */
  private void itself(MemoryGuard guard) throws Exception {
    GuardedProcess child =
        guard.start(
            new ProcessBuilder("perl", "-e", "$x = q(x) x (shift() << 20)", "200"),
            LIMITS,
            LaunchOptions.defaults().withMemoryListener(told::add));
    child.waitFor();
    told.forEach(event -> System.out.println("told: " + text(event, child)));
    told.clear();
    end(child);
  }

  private void end(GuardedProcess child) {
    System.out.println("verdict: " + LeafSupervisor.verdict(child.outcome().join()));
  }

  private static String text(MemoryEvent event, GuardedProcess child) {
    return event == null
        ? "nothing"
        : event.kind()
            + (event.child().orElse(0) == child.pid() ? "" : " of another child")
            + (event.processes().isEmpty() ? "" : " " + event.explanation());
  }

  private static void newline(OutputStream stdin) throws IOException {
    stdin.write('\n');
    stdin.flush();
  }

  private static Path leaf(long pid) throws IOException {
    List<String> all = Files.readAllLines(Path.of("/proc", Long.toString(pid), "cgroup"));
    for (String line : all) {
      String[] fields = line.split(":", 3);
      if (fields[1].equals("memory")) {
        return Path.of("/sys/fs/cgroup/memory" + fields[2]);
      }
    }
    return Path.of("/sys/fs/cgroup" + all.get(0).substring("0::".length()));
  }

  private static void many(MemoryGuard guard) throws Exception {
    ProcessBuilder job = new ProcessBuilder("/bin/true");
    guard.run(job, LIMITS);
    System.out.println("without a listener: " + inotifies() + " " + threads());
    LaunchOptions options = LaunchOptions.defaults().withMemoryListener(event -> {});
    guard.run(job, LIMITS.with(Protection.CGROUP_LEAF, Requirement.OFF), options);
    System.out.println("without a leaf: " + inotifies() + " " + threads());
    guard.run(job, LIMITS, options);
    int descriptors = Held.DESCRIPTORS.count();
    int launches = Integer.parseInt(System.getenv().getOrDefault("MEMGUARD_LAUNCHES", "500"));
    for (int i = 0; i < launches; i++) {
      guard.run(job, LIMITS, options);
    }
    System.out.println("descriptors more: " + Held.DESCRIPTORS.moreThan(descriptors));
    System.out.println("with listeners: " + inotifies() + " " + threads());
    guard.close();
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
    while (!threads().isEmpty() && deadline - System.nanoTime() > 0) {
      TimeUnit.MILLISECONDS.sleep(5);
    }
    System.out.println("after the guard: " + inotifies() + " " + threads());
  }

  /** How many watches each inotify descriptor has. */
  static List<Long> inotifies() throws IOException {
    return descriptors().stream().map(Listener::watches).filter(watches -> watches >= 0).toList();
  }

  /** A line each, in what the kernel says of its descriptors. */
  private static long watches(Path descriptor) {
    try {
      return Files.readSymbolicLink(descriptor).endsWith("anon_inode:inotify")
          ? Files.readString(Path.of("/proc/self/fdinfo").resolve(descriptor.getFileName()))
              .lines()
              .filter(line -> line.startsWith("inotify "))
              .count()
          : -1;
    } catch (IOException e) {
      return -1; // closed meanwhile, as the listing's own
    }
  }

  private static List<Path> descriptors() throws IOException {
    try (Stream<Path> all = Files.list(Path.of("/proc/self/fd"))) {
      return all.toList();
    }
  }

  private static List<String> threads() {
    return Thread.getAllStackTraces().keySet().stream()
        .map(Thread::getName)
        .filter(name -> name.equals("memguard-events"))
        .toList();
  }
}
