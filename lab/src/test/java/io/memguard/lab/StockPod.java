package io.memguard.lab;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The table of {@code lab/stock-pod}: for each {@link Greed} one container whose supervisor guards
 * its children, in run after run, and one whose supervisor does not.
 *
 * <p>Arguments: the children's program, how many runs, and the names of kinds; all if there is
 * none. Fails if somebody guarded did not live, if a victim was not told as it should have been or
 * was ended late, or if somebody survived without memguard.
 */
final class StockPod {
  private static final LabContainer POD =
      LabContainer.withMemory("200M").with("--oom-group", "1", "--cgroup", "ro");
  private static final int RUN_SECONDS = 120;
  private static final int START_SECONDS = 180;
  private static final int KILLED = 137;

  /** Who has a limit is to be ended from 64 MiB on, before he has twice as much. */
  private static final long MOST_MIB = 128;

  private static final Pattern RUN =
      Pattern.compile("run: (.*); (\\d+) MiB; (\\d+) bystanders right; (\\d+) left");

  private final String program;
  private final int runs;

  private StockPod(String program, int runs) {
    this.program = program;
    this.runs = runs;
  }

  public static void main(String[] arguments) throws Exception {
    StockPod pod = new StockPod(arguments[0], Integer.parseInt(arguments[1]));
    List<Greed> greeds =
        arguments.length == 2
            ? List.of(Greed.values())
            : List.of(arguments).subList(2, arguments.length).stream()
                .map(Greed::labelled)
                .toList();
    System.out.println(
        "| kind | supervisor lives | bystanders right | the victim | its memory when it was ended, at most | left of it | oom_kill | the container's memory, at most | without memguard |");
    System.out.println("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    boolean right = true;
    for (Greed greed : greeds) {
      right &= pod.row(greed);
    }
    if (!right) {
      System.exit(1);
    }
  }

  /** What the supervisor said of one run. */
  private record Run(String verdict, long mib, int bystanders, int left) {
    static List<Run> in(String output) {
      List<Run> all = new ArrayList<>();
      Matcher lines = RUN.matcher(output);
      while (lines.find()) {
        all.add(
            new Run(
                lines.group(1),
                Long.parseLong(lines.group(2)),
                Integer.parseInt(lines.group(3)),
                Integer.parseInt(lines.group(4))));
      }
      return all;
    }
  }

  /** Prints one line, and what was said if it is not as it should be. */
  private boolean row(Greed greed) throws Exception {
    LabContainer.Result guarded = supervise("guarded", greed, runs);
    LabContainer.Result unguarded = supervise("unguarded", greed, 1);
    List<Run> all = Run.in(guarded.output());
    Tally verdicts = new Tally(greed.right(), runs, all.stream().map(Run::verdict).toList());
    int bystanders = all.stream().mapToInt(Run::bystanders).sum();
    int left = all.stream().mapToInt(Run::left).sum();
    long kills = guarded.count("oom_kill").orElseThrow();
    long ended = all.stream().mapToLong(Run::mib).max().orElse(0);
    long most = guarded.count("peak").orElseThrow() >> 20;
    long unguardedKills = unguarded.count("oom_kill").orElseThrow();
    System.out.printf(
        "| %s | %d/%d | %d/%d | %s | %s | %d | %d | %d MiB | exit %d, oom_kill %d |%n",
        greed.label(),
        all.size(),
        runs,
        bystanders,
        runs * StockPodSupervisor.BYSTANDERS,
        verdicts,
        ended == 0 ? "-" : ended + " MiB",
        left,
        kills,
        most,
        unguarded.exitStatus(),
        unguardedKills);
    boolean saved =
        guarded.exitStatus() == 0
            && verdicts.right()
            && bystanders == runs * StockPodSupervisor.BYSTANDERS
            && left == 0
            && kills == 0
            && ended <= MOST_MIB;
    boolean dies = unguarded.exitStatus() == KILLED && unguardedKills > 0;
    show(guarded, saved);
    show(unguarded, dies);
    return saved && dies;
  }

  private static void show(LabContainer.Result container, boolean asItShouldBe) {
    if (!asItShouldBe) {
      System.out.println(
          "ended with " + container.exitStatus() + ", " + container.report() + ", and had said:");
      System.out.println(container.output());
    }
  }

  private LabContainer.Result supervise(String how, Greed greed, int times) throws Exception {
    List<String> command =
        LeafSupervisor.command(
            StockPodSupervisor.class, how, program, greed.label(), Integer.toString(times));
    // As applications run: 64 threads that take memory leave an interpreter too little of a CPU.
    command.set(command.indexOf("-Xint"), "-XX:TieredStopAtLevel=1");
    command.addAll(1, List.of("-Xms16m", "-XX:+AlwaysPreTouch"));
    return POD.withPatience(START_SECONDS + (long) times * RUN_SECONDS)
        .run(command.toArray(String[]::new));
  }
}
