package io.memguard.lab;

import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * The table of verdicts, one line for each environment: what was said of children whose end is
 * known, and how often that was right. What is right stands here, in the maps of {@link Case}s.
 *
 * <p>Arguments: how many runs, and the names of environments that this machine can be (see the
 * script {@code lab/verdicts}). Fails if a verdict was wrong, or if there was none.
 */
final class Verdicts {
  /** What a child's leaf may hold where it is to be the limit that is reached. */
  private static final String SMALL = "12MiB";

  /** What the cgroup around a supervisor and its children may hold. */
  private static final String CONTAINER = "96M";

  /**
   * What may be said of one whose descendant was killed for lack of memory, and itself by a
   * stranger.
   */
  private static final String NOT_SURE = "Signalled|[A-Z_]+ (PROBABLE|POSSIBLE)";

  /** Makes room for leaves beside the supervisor, as an entry point would. */
  private static final String MOVE =
      "own=/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup) && mkdir $own/supervisor"
          + " && echo 0 >$own/supervisor/cgroup.procs && exec \"$@\"";

  private static final String V2_SERVICE =
      "own=/sys/fs/cgroup/verdicts && mkdir $own && echo "
          + CONTAINER
          + " >$own/memory.max && (echo 0 >$own/cgroup.procs && "
          + MOVE
          + ") && rmdir $own/supervisor $own";

  private static final String V1_SERVICE =
      "own=/sys/fs/cgroup/memory/verdicts && mkdir $own && echo "
          + CONTAINER
          + " >$own/memory.limit_in_bytes && (echo 0 >$own/cgroup.procs && exec \"$@\") && rmdir $own";

  private Verdicts() {}

  /** A column: how a child ends. */
  private enum End {
    OWN_LIMIT,
    CONTAINER_LIMIT,
    STRANGER,
    STRANGER_LATER,
    GRANDCHILD_AND_0,
    GRANDCHILD_AND_ITS_STATUS,
    CLEAN
  }

  /**
   * What a child is given and does, as {@link LeafSupervisor} wants it.
   *
   * @param right what is to be said of it then, a regular expression
   */
  private record Case(String limit, String rlimit, String what, String right) {}

  /** A leaf of cgroup v2: a limit is the leaf's or another's, and the kernel counts them apart. */
  private static final Map<End, Case> V2_LEAF =
      Map.of(
          End.OWN_LIMIT, new Case(SMALL, "no-rlimit", "greedy", "OWN_CGROUP CERTAIN"),
          End.CONTAINER_LIMIT, new Case("512MiB", "no-rlimit", "greedy", "CONTAINER CERTAIN"),
          End.STRANGER, new Case(SMALL, "rlimit", "sleep", "Signalled"),
          End.STRANGER_LATER, new Case(SMALL, "no-rlimit", "survivor", NOT_SURE),
          End.GRANDCHILD_AND_0, new Case(SMALL, "no-rlimit", "spared", "Exited 0"),
          End.GRANDCHILD_AND_ITS_STATUS,
              new Case(SMALL, "no-rlimit", "mourner", "OWN_CGROUP PROBABLE"),
          End.CLEAN, new Case(SMALL, "rlimit", "clean", "Exited 0"));

  /**
   * A leaf of cgroup v1, which does not count whose limit it was that had somebody killed. The
   * kernel's log, readable there, tells it of ten kills in five seconds.
   */
  private static final Map<End, Case> V1_LEAF =
      Map.of(
          End.OWN_LIMIT, new Case(SMALL, "no-rlimit", "greedy", "OWN_CGROUP (CERTAIN|PROBABLE)"),
          End.CONTAINER_LIMIT,
              new Case("512MiB", "no-rlimit", "greedy", "CONTAINER (CERTAIN|PROBABLE)"),
          End.STRANGER, new Case(SMALL, "rlimit", "sleep", "Signalled"),
          End.STRANGER_LATER, new Case(SMALL, "no-rlimit", "survivor", NOT_SURE),
          End.GRANDCHILD_AND_0, new Case(SMALL, "no-rlimit", "spared", "Exited 0"),
          End.GRANDCHILD_AND_ITS_STATUS,
              new Case(SMALL, "no-rlimit", "mourner", "OWN_CGROUP PROBABLE"),
          End.CLEAN, new Case(SMALL, "rlimit", "clean", "Exited 0"));

  /**
   * No leaf: its own limit refuses memory; the container's counters may have been a neighbour's.
   */
  private static final Map<End, Case> NO_LEAF =
      Map.of(
          End.OWN_LIMIT, new Case(SMALL, "rlimit", "greedy", "ALLOCATION_DENIED CERTAIN"),
          End.CONTAINER_LIMIT, new Case("none", "no-rlimit", "greedy", "CONTAINER PROBABLE"),
          End.STRANGER, new Case(SMALL, "rlimit", "sleep", "Signalled"),
          End.STRANGER_LATER, new Case("none", "no-rlimit", "survivor", NOT_SURE),
          End.GRANDCHILD_AND_0, new Case("none", "no-rlimit", "spared", "Exited 0"),
          End.GRANDCHILD_AND_ITS_STATUS, new Case("none", "no-rlimit", "mourner", "Exited 137"),
          End.CLEAN, new Case(SMALL, "rlimit", "clean", "Exited 0"));

  /** No leaf, and whoever is killed takes all along: nobody may get that far. */
  private static final Map<End, Case> NO_LEAF_GROUP_KILL =
      Map.of(
          End.OWN_LIMIT, new Case(SMALL, "rlimit", "greedy", "ALLOCATION_DENIED CERTAIN"),
          End.STRANGER, new Case(SMALL, "rlimit", "sleep", "Signalled"),
          End.STRANGER_LATER, new Case(SMALL, "rlimit", "survivor", "Signalled"),
          End.GRANDCHILD_AND_0, new Case(SMALL, "rlimit", "spared", "Exited 0"),
          End.GRANDCHILD_AND_ITS_STATUS,
              new Case(SMALL, "rlimit", "mourner", "ALLOCATION_DENIED PROBABLE"),
          End.CLEAN, new Case(SMALL, "rlimit", "clean", "Exited 0"));

  /**
   * A place to be tried.
   *
   * @param inIt what is put in front of a command to run it there
   * @param forContainerLimit the same where the container's limit is to be reached
   */
  private record Environment(
      Map<End, Case> cases, List<String> inIt, List<String> forContainerLimit) {}

  private static Environment environment(String name) {
    return switch (name) {
      case "v2" -> environment(V2_LEAF, shell(V2_SERVICE));
      case "v1", "hybrid" -> environment(V1_LEAF, shell(V1_SERVICE));
      case "container-ro-group-0", "v1-container-ro" -> environment(NO_LEAF, container("ro", "0"));
      case "container-ro-group-1" -> environment(NO_LEAF_GROUP_KILL, container("ro", "1"));
      case "container-rw" -> writable();
      case "container-rw-no-clone3" -> writable("--no-clone3");
      case "systemd-system" -> environment(V2_LEAF, scope());
      case "systemd-user" -> environment(V2_LEAF, scope("--user"));
      default -> throw new IllegalArgumentException("no environment is called " + name);
    };
  }

  private static Environment environment(Map<End, Case> cases, List<String> inIt) {
    return new Environment(cases, inIt, inIt);
  }

  private static Environment writable(String... options) {
    return new Environment(
        V2_LEAF,
        and(container("rw", "1", options), shell(MOVE)),
        and(container("rw", "0", options), shell(MOVE)));
  }

  private static List<String> container(String cgroup, String group, String... options) {
    List<String> script =
        List.of(
            Path.of(System.getProperty("memguard.lab"), "container").toString(),
            "--report",
            "/dev/null",
            "--memory",
            CONTAINER);
    return and(
        and(script, List.of(options)), List.of("--cgroup", cgroup, "--oom-group", group, "--"));
  }

  private static List<String> scope(String... options) {
    return and(
        and(List.of("systemd-run", "--quiet", "--scope"), List.of(options)),
        and(
            List.of("-p", "Delegate=yes", "-p", "MemorySwapMax=0", "-p", "MemoryMax=" + CONTAINER),
            shell(MOVE)));
  }

  private static List<String> shell(String script) {
    return List.of("sh", "-c", script, "sh");
  }

  private static List<String> and(List<String> one, List<String> other) {
    List<String> both = new ArrayList<>(one);
    both.addAll(other);
    return both;
  }

  public static void main(String[] arguments) throws Exception {
    int runs = Integer.parseInt(arguments[0]);
    boolean right = true;
    for (String name : Arrays.asList(arguments).subList(1, arguments.length)) {
      right &= row(name, environment(name), runs);
    }
    if (!right) {
      System.exit(1);
    }
  }

  /** Prints one line. */
  private static boolean row(String name, Environment environment, int runs) throws Exception {
    List<End> ends = List.of(End.values());
    List<End> apart =
        environment.inIt.equals(environment.forContainerLimit)
            ? List.of()
            : List.of(End.CONTAINER_LIMIT);
    Map<End, Tally> tallies = new TreeMap<>();
    String protections =
        fill(
            tallies,
            environment.cases,
            environment.inIt,
            runs,
            ends.stream().filter(end -> !apart.contains(end)).toList());
    if (!apart.isEmpty()) {
      fill(tallies, environment.cases, environment.forContainerLimit, runs, apart);
    }
    String columns =
        ends.stream()
            .map(end -> tallies.containsKey(end) ? tallies.get(end).toString() : "-")
            .collect(Collectors.joining(" | "));
    System.out.println("| " + name + " | " + protections + " | " + columns + " |");
    return tallies.values().stream().allMatch(Tally::right);
  }

  /** Runs one supervisor and reads what it says; returns the protections of its last child. */
  private static String fill(
      Map<End, Tally> tallies, Map<End, Case> cases, List<String> inIt, int runs, List<End> ends)
      throws IOException, InterruptedException {
    List<String> arguments = new ArrayList<>(List.of("prefer"));
    List<End> tried = ends.stream().filter(cases::containsKey).toList();
    for (End end : tried) {
      Case one = cases.get(end);
      arguments.addAll(List.of(one.limit, one.rlimit, Integer.toString(runs), one.what));
    }
    Process process =
        new ProcessBuilder(and(inIt, LeafSupervisor.command(arguments.toArray(String[]::new))))
            .redirectErrorStream(true)
            .start();
    process.getOutputStream().close();
    String output = new String(process.getInputStream().readAllBytes(), UTF_8);
    int status = process.waitFor();
    List<String> said = after("verdict: ", output);
    for (int i = 0; i < tried.size(); i++) {
      List<String> mine =
          said.subList(Math.min(i * runs, said.size()), Math.min((i + 1) * runs, said.size()));
      tallies.put(tried.get(i), new Tally(cases.get(tried.get(i)).right, runs, mine));
    }
    if (status != 0 || tried.stream().anyMatch(end -> !tallies.get(end).right())) {
      System.out.println(String.join(" ", inIt) + " ended with " + status + " and had said:");
      System.out.println(output);
    }
    if (status != 0) { // the supervisor was killed, or left something behind
      tallies.put(tried.get(0), new Tally("status 0", runs, List.of("status " + status)));
    }
    List<String> protections = after("protections: ", output);
    return protections.isEmpty() ? "?" : protections.get(protections.size() - 1);
  }

  private static List<String> after(String key, String output) {
    return output
        .lines()
        .filter(line -> line.startsWith(key))
        .map(line -> line.substring(key.length()))
        .toList();
  }
}
