package io.memguard.diagnose;

import io.memguard.outcome.Cause;
import io.memguard.outcome.Evidence;
import io.memguard.outcome.Refusal;
import io.memguard.outcome.WitnessRecord;
import io.memguard.outcome.WitnessedProcess;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The cases that {@code lab/runtimes} has captured. Each is a program's end that is known to be for
 * a lack of memory, since it ended well without the limit.
 */
final class CapturedCases {
  private static final Map<String, Integer> SIGNALS =
      Map.of(
          "SIGILL", 4,
          "SIGTRAP", 5,
          "SIGABRT", 6,
          "SIGBUS", 7,
          "SIGFPE", 8,
          "SIGKILL", 9,
          "SIGSEGV", 11);
  private static final Pattern HEAD = Pattern.compile("== (start|refused|own) (data|as) (\\S+)");
  private static final Pattern WITNESS =
      Pattern.compile("programs ([0-9]+), refusals ([0-9]+)(?:, largest ([0-9]+))?");
  private static final Pattern LAST =
      Pattern.compile(
          "(\\w+), errno ([0-9]+), bytes ([0-9]+), data ([0-9?]+) of ([0-9?]+),"
              + " as ([0-9?]+) of ([0-9?]+), at ([0-9]+)us, by (.*) \\((itself|a descendant)\\)");

  private CapturedCases() {}

  /** One end, with all that was noted of it. */
  record Captured(
      String runtime, String kind, String resource, String job, boolean hung, Played played) {
    /** What a rule calls it. */
    String id() {
      return runtime
          + "/"
          + (kind.equals("refused") ? job : kind.equals("own") ? "own:" + job : kind);
    }

    /**
     * What may be said of it. A program that could not start was refused memory too; where it did
     * not say so, no more is known.
     */
    Set<Cause> right() {
      return switch (kind) {
        case "start" -> Set.of(Cause.LIMIT_TOO_LOW, Cause.ALLOCATION_DENIED);
        case "own" -> Set.of(Cause.RUNTIME_HEAP);
        default -> Set.of(Cause.ALLOCATION_DENIED);
      };
    }

    @Override
    public String toString() {
      return runtime + " " + kind + " " + resource + " " + job + " " + played.status();
    }
  }

  /** Those that ended themselves. */
  static List<Captured> ended() {
    return all().stream().filter(one -> !one.hung()).toList();
  }

  static List<Captured> all() {
    try (Stream<Path> files = Files.list(directory())) {
      List<Captured> all = new ArrayList<>();
      for (Path file : files.filter(one -> one.toString().endsWith(".txt")).sorted().toList()) {
        String name = file.getFileName().toString();
        read(name.substring(0, name.length() - 4), Files.readAllLines(file), all);
      }
      return all;
    } catch (IOException | URISyntaxException e) {
      throw new AssertionError(e);
    }
  }

  private static Path directory() throws URISyntaxException {
    return Path.of(CapturedCases.class.getResource("cases/python.txt").toURI()).getParent();
  }

  private static void read(String runtime, List<String> lines, List<Captured> all) {
    List<String> section = new ArrayList<>();
    for (String line : lines) {
      if (line.startsWith("== ") && !section.isEmpty()) {
        add(runtime, section, all);
        section.clear();
      }
      if (line.startsWith("== ") || !section.isEmpty()) {
        section.add(line);
      }
    }
    if (!section.isEmpty()) {
      add(runtime, section, all);
    }
  }

  private static void add(String runtime, List<String> section, List<Captured> all) {
    Matcher head = HEAD.matcher(section.get(0));
    if (!head.matches()) {
      throw new AssertionError(runtime + ": " + section.get(0));
    }
    Map<String, String> values = new TreeMap<>();
    String text = "";
    for (String line : section.subList(1, section.size())) {
      if (line.startsWith("  ") || line.isEmpty()) {
        values.merge(text, line.substring(Math.min(2, line.length())) + "\n", String::concat);
      } else {
        int colon = line.indexOf(':');
        text = line.substring(0, colon);
        values.put(text, line.substring(colon + 1).strip());
      }
    }
    String resource = head.group(2);
    boolean hung = values.get("end").equals("hung");
    Played played = played(resource, values);
    all.add(new Captured(runtime, head.group(1), resource, head.group(3), hung, played));
  }

  private static Played played(String resource, Map<String, String> values) {
    String end = values.get("end");
    Played played =
        end.startsWith("exit ")
            ? Played.exit(Integer.parseInt(end.substring(5)))
            : end.equals("hung")
                ? Played.killed(15).endedBy(Evidence.Ending.TIME_OUT)
                : Played.killed(SIGNALS.get(end.split(" ", -1)[2]));
    played =
        played
            .under(resource + "=" + values.get("limit"))
            .running(program(values.get("command")))
            .after(Duration.ofMillis(Long.parseLong(values.get("elapsed").replace("ms", ""))))
            .printing(values.getOrDefault("out", ""))
            .complaining(values.getOrDefault("err", ""));
    OptionalLong peak = kib(values.get("peak"));
    Matcher witness = WITNESS.matcher(values.getOrDefault("witness", ""));
    boolean noted = witness.matches() && values.containsKey("last");
    if (peak.isPresent() && !noted) { // else it is the witness that knew it
      played = played.withPeak(peak.getAsLong());
    }
    return witness.matches() ? played.watched(noted(witness, values, peak)) : played;
  }

  private static WitnessRecord noted(
      Matcher witness, Map<String, String> values, OptionalLong peak) {
    long refusals = Long.parseLong(witness.group(2));
    OptionalLong largest = number(witness.group(3));
    Matcher last = LAST.matcher(values.getOrDefault("last", ""));
    List<WitnessedProcess> processes = new ArrayList<>();
    if (last.matches()) {
      processes.add(process(last, refusals, largest, peak));
    }
    int programs = Integer.parseInt(witness.group(1));
    return new WitnessRecord(programs, refusals, largest, 0, processes);
  }

  private static WitnessedProcess process(
      Matcher last, long refusals, OptionalLong largest, OptionalLong peak) {
    Refusal refusal = refusal(last);
    int threads = refusal.kind() == Refusal.Kind.THREAD ? 1 : 0;
    boolean itself = last.group(10).equals("itself");
    return new WitnessedProcess(
        itself ? Played.CHILD : Played.CHILD + 1,
        last.group(9),
        1,
        refusals,
        threads,
        0,
        largest,
        Optional.of(refusal),
        peak);
  }

  private static Refusal refusal(Matcher last) {
    return new Refusal(
        Refusal.Kind.valueOf(last.group(1).toUpperCase(Locale.ROOT)),
        Integer.parseInt(last.group(2)),
        Long.parseLong(last.group(3)),
        Played.CHILD,
        Duration.ofNanos(1000 * Long.parseLong(last.group(8))),
        number(last.group(4)),
        number(last.group(6)),
        OptionalLong.empty(),
        number(last.group(5)),
        number(last.group(7)));
  }

  /** Empty for nothing, and for what is written where a figure is not known. */
  private static OptionalLong number(String digits) {
    return digits == null || digits.equals("?")
        ? OptionalLong.empty()
        : OptionalLong.of(Long.parseLong(digits));
  }

  private static OptionalLong kib(String size) {
    return size == null
        ? OptionalLong.empty()
        : OptionalLong.of(Long.parseLong(size.replace("KiB", "")) << 10);
  }

  private static String program(String command) {
    for (String word : command.split(" ", -1)) {
      if (!word.matches("[A-Z_]+=.*")) {
        return word.substring(word.lastIndexOf('/') + 1);
      }
    }
    return "";
  }
}
