package io.memguard.examples.queue;

import io.memguard.examples.queue.Workload.Kind;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * What has become of all jobs, read from Redis.
 *
 * @param work the jobs
 * @param results what they printed, by job
 * @param dead the dead letters
 * @param counts how often things happened
 * @param unsettled how many messages are left
 */
record Summary(
    Workload work,
    Map<String, String> results,
    List<Map<String, String>> dead,
    Map<String, String> counts,
    long unsettled) {
  static Summary of(Workload work, JobQueue queue) {
    return new Summary(
        work, queue.results(), queue.dead(), queue.counts(), queue.backlog().messages());
  }

  long count(String what) {
    return Long.parseLong(counts.getOrDefault(what, "0"));
  }

  /** Returns the ids of dead letters of a cause, in order, with doubles if there are any. */
  List<String> dead(String cause) {
    return dead.stream()
        .filter(letter -> cause.equals(letter.get("cause")))
        .map(letter -> letter.getOrDefault("job", "?"))
        .sorted()
        .toList();
  }

  /** Returns what is wrong, a line each; none if every job has become exactly what it should. */
  List<String> problems() {
    List<String> problems = new ArrayList<>();
    Set<String> buried =
        dead.stream().map(letter -> letter.getOrDefault("job", "?")).collect(Collectors.toSet());
    Set<String> lost = work.ids(Kind.values());
    lost.removeAll(results.keySet());
    lost.removeAll(buried);
    expect(problems, "lost", lost.isEmpty(), lost);
    Set<String> both = new HashSet<>(results.keySet());
    both.retainAll(buried);
    expect(problems, "done and buried", both.isEmpty(), both);
    expect(problems, "messages left", unsettled == 0, unsettled);
    expect(
        problems,
        "done, and should not be, or the other way round",
        results.keySet().equals(work.ids(Kind.SMALL, Kind.LARGE)),
        results.size());
    List<String> wrong =
        IntStream.range(0, work.size())
            .filter(n -> results.containsKey(Workload.id(n)))
            .filter(n -> !Workload.result(n).equals(results.get(Workload.id(n))))
            .mapToObj(Workload::id)
            .toList();
    expect(problems, "with a wrong result", wrong.isEmpty(), wrong);
    expect(
        problems,
        "bombs that are not buried once each, for memory",
        List.copyOf(work.ids(Kind.BOMB)).equals(dead("allocation-denied")),
        dead("allocation-denied"));
    expect(
        problems,
        "broken jobs that are not buried once each, for their exit status",
        List.copyOf(work.ids(Kind.BROKEN)).equals(dead("exit-3")),
        dead("exit-3"));
    return problems;
  }

  private static void expect(List<String> problems, String what, boolean good, Object found) {
    if (!good) {
      String all = what + ": " + found;
      problems.add(all.length() > 200 ? all.substring(0, 200) + "…" : all);
    }
  }

  @Override
  public String toString() {
    StringBuilder table = new StringBuilder();
    line(table, "jobs", work.size());
    line(table, "done, one result each", results.size());
    line(table, "dead letters", dead.size());
    line(table, "lost", work.size() - results.size() - dead.size());
    line(table, "attempts", count("started"));
    line(table, "  with a larger limit", count("escalated"));
    line(table, "  again after another failure", count("retried"));
    line(table, "  again because a consumer died", count("redelivered"));
    line(table, "given back by a consumer that stopped", count("given back"));
    line(table, "done twice, second result dropped", count("done again"));
    Map<String, Integer> kinds = new TreeMap<>();
    dead.forEach(
        letter ->
            kinds.merge(letter.get("cause") + ", tried with " + limits(letter), 1, Integer::sum));
    table.append("dead letters by cause\n");
    kinds.forEach((kind, count) -> line(table, "  " + kind, count));
    return table.toString();
  }

  /** The limits of its attempts, as its history has them. */
  private static String limits(Map<String, String> letter) {
    return letter
        .getOrDefault("history", "")
        .lines()
        .map(line -> line.substring(0, Math.max(0, line.indexOf(':'))))
        .collect(Collectors.joining(", "));
  }

  private static void line(StringBuilder table, String what, long count) {
    table.append(String.format("%-66s %5d%n", what, count));
  }
}
