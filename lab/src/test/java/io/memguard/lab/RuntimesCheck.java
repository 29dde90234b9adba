package io.memguard.lab;

import io.memguard.MemoryGuard;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.limits.ResourceLimit;
import io.memguard.outcome.Cause;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.Outcome;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Runs captured cases again, each with the witness and without, and looks at what is said of them:
 * it fails if a verdict is wrong, if one is certain that nobody watched, or if more than 5 % are
 * unknown with the witness. What succeeds here, where programs are of another version, is left out,
 * and so is what hangs.
 *
 * <p>Arguments: the file of jobs, the directory of the cases, and the names of the runtimes.
 * Started by {@code lab/runtimes --check}.
 */
final class RuntimesCheck {
  private static final Pattern CASE =
      Pattern.compile(
          "== (start|refused|own) (data|as) (\\S+)\\Rcommand: .*\\Rlimit: ([0-9]+)KiB\\Rend: (?!hung)");

  private final MemoryGuard guard;
  private final List<String> wrong = new ArrayList<>();
  private int ends;
  private int unknown;

  private RuntimesCheck(MemoryGuard guard) {
    this.guard = guard;
  }

  public static void main(String[] arguments) throws Exception {
    Path jobs = Path.of(arguments[0]);
    List<String> wanted = List.of(arguments).subList(2, arguments.length);
    RuntimesCheck check;
    try (MemoryGuard guard = MemoryGuard.create()) {
      check = new RuntimesCheck(guard);
      System.out.println("| runtime | with the witness | without |");
      System.out.println("| --- | --- | --- |");
      for (RuntimeJobs.Program runtime : RuntimeJobs.read(jobs)) {
        if (wanted.contains(runtime.name()) && runtime.build()) {
          check.all(runtime, Path.of(arguments[1], runtime.name() + ".txt"));
        }
      }
    }
    System.out.println(check.ends + " ends, " + check.unknown + " unknown with the witness");
    check.wrong.forEach(line -> System.out.println("WRONG: " + line));
    if (!check.wrong.isEmpty() || check.ends == 0 || check.unknown * 20 > check.ends) {
      System.exit(1);
    }
  }

  private void all(RuntimeJobs.Program runtime, Path cases) throws Exception {
    Map<String, Integer> with = new TreeMap<>();
    Map<String, Integer> without = new TreeMap<>();
    Matcher one = CASE.matcher(Files.readString(cases));
    while (one.find()) {
      String kind = one.group(1);
      RuntimeJobs.Job job =
          Stream.concat(Stream.of(runtime.hello()), runtime.jobs().stream())
              .filter(each -> each.name().equals(one.group(3)))
              .findFirst()
              .orElseThrow();
      ResourceLimit limit = ResourceLimit.parse(one.group(2) + "=" + one.group(4) + "KiB");
      MemoryLimits limits = MemoryLimits.none().withRlimit(limit);
      Outcome watched = Runtimes.run(guard, runtime, job, limits);
      MemoryLimits unseen = limits.with(Protection.WITNESS, Requirement.OFF);
      Outcome unwatched = Runtimes.run(guard, runtime, job, unseen);
      if (judged(watched) && judged(unwatched)) {
        ends++;
        unknown += watched instanceof Outcome.OutOfMemory ? 0 : 1;
        with.merge(verdict(watched), 1, Integer::sum);
        without.merge(verdict(unwatched), 1, Integer::sum);
        String what = String.join(" ", runtime.name(), kind, limit.toString(), job.name());
        judge(what + ", with the witness", kind, watched, true);
        judge(what + ", without", kind, unwatched, false);
      }
    }
    System.out.println("| " + String.join(" | ", runtime.name(), told(with), told(without)) + " |");
  }

  private static boolean judged(Outcome outcome) {
    return !outcome.isSuccess() && !(outcome instanceof Outcome.TimedOut);
  }

  private static String told(Map<String, Integer> verdicts) {
    return verdicts.entrySet().stream()
        .map(one -> one.getKey() + " " + one.getValue())
        .collect(Collectors.joining(", "));
  }

  /** Unwatched, a limit of its own may be taken for the kernel's, but that is possible only. */
  private void judge(String what, String kind, Outcome outcome, boolean witness) {
    if (outcome instanceof Outcome.OutOfMemory memory) {
      boolean right = causes(kind).contains(memory.cause());
      boolean guess = !witness && memory.confidence() == Confidence.POSSIBLE;
      boolean tooSure = !witness && memory.confidence() == Confidence.CERTAIN;
      if (tooSure || !(right || guess)) {
        wrong.add(what + ": " + verdict(outcome) + ": " + outcome.explanation());
      }
    }
  }

  private static Set<Cause> causes(String kind) {
    return switch (kind) {
      case "start" -> Set.of(Cause.LIMIT_TOO_LOW, Cause.ALLOCATION_DENIED);
      case "own" -> Set.of(Cause.RUNTIME_HEAP);
      default -> Set.of(Cause.ALLOCATION_DENIED);
    };
  }

  private static String verdict(Outcome outcome) {
    return outcome instanceof Outcome.OutOfMemory memory
        ? memory.cause() + " " + memory.confidence()
        : "unknown";
  }
}
