package io.memguard.lab;

import io.memguard.MemoryGuard;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.MemorySize;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.limits.ResourceLimit;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.Refusal;
import io.memguard.outcome.WitnessRecord;
import io.memguard.outcome.WitnessedProcess;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Captures how programs end that are refused memory: under RLIMIT_DATA and RLIMIT_AS, when the
 * limit is too low to start under, and when they reach a limit of their own. What is captured is
 * true by the way it was made: the same program succeeds without the limit.
 *
 * <p>Arguments: the file of jobs, the directory for the cases, and the names of the runtimes, or
 * none for all. Started by {@code lab/runtimes}.
 */
final class Runtimes {
  private static final long KIB = 1 << 10;
  private static final long MIB = 1 << 20;
  private static final long LARGEST = 64L << 30;
  private static final int TAIL = 1024;
  private static final Pattern REPEATED = Pattern.compile("(.)\\1{99,}");
  private static final List<String> RESOURCES = List.of("data", "as");
  private static final Duration LONG = Duration.ofMinutes(1);
  private static final Duration SHORT = Duration.ofSeconds(15);

  private final MemoryGuard guard;
  private final RuntimeJobs.Program runtime;
  private final PrintStream cases;

  private Runtimes(MemoryGuard guard, RuntimeJobs.Program runtime, PrintStream cases) {
    this.guard = guard;
    this.runtime = runtime;
    this.cases = cases;
  }

  public static void main(String[] arguments) throws Exception {
    Path jobs = Path.of(arguments[0]);
    List<String> wanted = List.of(arguments).subList(2, arguments.length);
    try (MemoryGuard guard = MemoryGuard.create()) {
      for (RuntimeJobs.Program runtime : RuntimeJobs.read(jobs)) {
        if (wanted.isEmpty() || wanted.contains(runtime.name())) {
          capture(guard, jobs, runtime, Path.of(arguments[1], runtime.name() + ".txt"));
        }
      }
    }
  }

  private static void capture(MemoryGuard guard, Path jobs, RuntimeJobs.Program runtime, Path file)
      throws Exception {
    System.out.println(runtime.name());
    if (!runtime.build()) {
      return;
    }
    ByteArrayOutputStream text = new ByteArrayOutputStream();
    try (PrintStream cases = new PrintStream(text, false, StandardCharsets.UTF_8)) {
      String version = runtime.version(jobs.resolveSibling("version"));
      cases.println("# Linux " + System.getProperty("os.version") + ", " + version);
      new Runtimes(guard, runtime, cases).capture();
    }
    Files.write(file, text.toByteArray()); // whole: half of the cases would pass for all of them
  }

  private void capture() throws IOException, InterruptedException {
    for (String resource : RESOURCES) {
      long least = least(resource);
      if (least == 0) {
        System.out.println("  does not start under any " + resource);
        cases.println("floor " + resource + ": none");
        capture("start", resource, runtime.hello(), List.of(4096 * MIB, 1024 * MIB));
        continue;
      }
      System.out.println("  starts under " + resource + "=" + MemorySize.format(least));
      cases.println("floor " + resource + ": " + least / KIB + "KiB");
      capture("start", resource, runtime.hello(), List.of(least / 8, least / 2, least / 4 * 3));
      long more = least + Math.min(least / 2, 64 * MIB) + 16 * MIB;
      for (RuntimeJobs.Job job : runtime.jobs()) {
        long limit = job.own() ? least + 2048 * MIB : more;
        if (job.own() && resource.equals("as")) {
          continue; // it is not the limit that is reached
        }
        capture(job.own() ? "own" : "refused", resource, job, List.of(limit));
      }
    }
  }

  /**
   * Finds the smallest limit under which it starts and ends well, to an eighth; 0 if there is none.
   */
  private long least(String resource) throws IOException, InterruptedException {
    long enough = 64 * KIB;
    while (enough < LARGEST && !succeeds(resource, enough)) {
      enough *= 2;
    }
    if (enough >= LARGEST) {
      return 0;
    }
    long step = enough / 4;
    for (int halvings = 0; halvings < 2; halvings++) {
      if (succeeds(resource, enough - step)) {
        enough -= step;
      }
      step /= 2;
    }
    return enough / (4 * KIB) * (4 * KIB);
  }

  private boolean succeeds(String resource, long limit) throws IOException, InterruptedException {
    return run(runtime.hello(), under(resource, limit)).isSuccess();
  }

  private void capture(String how, String resource, RuntimeJobs.Job job, List<Long> limits)
      throws IOException, InterruptedException {
    if (how.equals("refused") && !run(job, MemoryLimits.none()).isSuccess()) {
      System.out.println("  " + job.name() + " fails without a limit too");
      return;
    }
    List<String> ends = new ArrayList<>();
    for (long limit : limits) {
      Outcome outcome = run(job, under(resource, limit));
      if (outcome.isSuccess()) {
        System.out.println("  " + job.name() + " succeeds under " + resource + "=" + limit);
        continue;
      }
      String end = end(outcome);
      String kind = end + firstWords(outcome);
      if (!ends.contains(kind)) { // one of a kind is enough
        ends.add(kind);
        cases.println("== " + how + " " + resource + " " + job.name());
        cases.println("command: " + job.text());
        cases.println("limit: " + limit / KIB + "KiB");
        cases.print(end);
        cases.println("elapsed: " + outcome.evidence().elapsed().toMillis() + "ms");
        outcome.evidence().witness().ifPresent(record -> print(record, outcome.evidence().pid()));
        outcome
            .evidence()
            .peakRssBytes()
            .ifPresent(bytes -> cases.println("peak: " + bytes / KIB + "KiB"));
        print("out", outcome.evidence().outputTail());
        print("err", outcome.evidence().errorTail());
      }
    }
  }

  private static String end(Outcome outcome) {
    return "end: "
        + (outcome instanceof Outcome.TimedOut ? "hung" : outcome.evidence().status())
        + "\n";
  }

  /** Without the figures, which differ every time. */
  private static String firstWords(Outcome outcome) {
    return Stream.of(outcome.evidence().errorTail(), outcome.evidence().outputTail())
        .map(text -> text.lines().findFirst().orElse("").replaceAll("[0-9]+", ""))
        .collect(Collectors.joining(" "));
  }

  private void print(WitnessRecord record, long child) {
    cases.print("witness: programs " + record.programs() + ", refusals " + record.refusals());
    record.largestRefusedBytes().ifPresent(bytes -> cases.print(", largest " + bytes));
    cases.println();
    record.lastRefused().ifPresent(process -> printLast(process, process.pid() == child));
  }

  /** A question mark stands for what is not known, or not limited. */
  private void printLast(WitnessedProcess process, boolean itself) {
    Refusal last = process.last().orElseThrow();
    cases.println(
        "last: "
            + last.kind().label()
            + ", errno "
            + last.errno()
            + ", bytes "
            + last.bytes()
            + ", data "
            + figure(last.dataBytes())
            + " of "
            + figure(last.dataLimit())
            + ", as "
            + figure(last.addressBytes())
            + " of "
            + figure(last.addressLimit())
            + ", at "
            + TimeUnit.NANOSECONDS.toMicros(last.at().toNanos())
            + "us, by "
            + process.name()
            + (itself ? " (itself)" : " (a descendant)"));
  }

  private static String figure(OptionalLong bytes) {
    return bytes.isPresent() ? Long.toString(bytes.getAsLong()) : "?";
  }

  private void print(String name, String text) {
    if (text.isEmpty()) {
      return;
    }
    cases.println(name + ":");
    String kept =
        text.length() <= 2 * TAIL
            ? text
            : text.substring(0, TAIL) + "\n[...]\n" + text.substring(text.length() - TAIL);
    kept.lines()
        .forEach(line -> cases.println("  " + REPEATED.matcher(line).replaceAll("$1[...]")));
  }

  private MemoryLimits under(String resource, long limit) {
    return MemoryLimits.none().withRlimit(ResourceLimit.parse(resource + "=" + limit));
  }

  private Outcome run(RuntimeJobs.Job job, MemoryLimits limits)
      throws IOException, InterruptedException {
    return run(guard, runtime, job, limits);
  }

  static Outcome run(
      MemoryGuard guard, RuntimeJobs.Program runtime, RuntimeJobs.Job job, MemoryLimits limits)
      throws IOException, InterruptedException {
    ProcessBuilder builder = new ProcessBuilder(job.command());
    builder.environment().put("LC_ALL", "C.UTF-8");
    builder.environment().putAll(job.variables());
    job.stdin().ifPresent(file -> builder.redirectInput(new File(file)));
    return guard.run(
        builder,
        runtime.unwatched() ? limits.with(Protection.WITNESS, Requirement.OFF) : limits,
        LaunchOptions.defaults()
            .withTimeout(job.equals(runtime.hello()) ? SHORT : LONG)
            .withDieWithParent(true));
  }
}
