package io.memguard.outcome;

import io.memguard.limits.MemorySize;
import io.memguard.limits.Rlimit;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;

/** Reads a file of rules, line by line; what is wrong is told with the line's number. */
final class RuleParser {
  private static final Pattern HEAD = Pattern.compile("\\[([A-Za-z0-9+._-]+)]");
  private static final Pattern LINE = Pattern.compile("([a-z]+) *=(.*)");
  private static final Pattern END =
      Pattern.compile("(exit|signal) +([0-9]{1,3})(?:-([0-9]{1,3}))?");
  private static final Pattern START = Pattern.compile("(data|as) +(\\S+)");

  private final List<RuntimeRule> rules = new ArrayList<>();
  private final Set<String> names = new HashSet<>();
  private Draft draft = new Draft("", 0);
  private int number;

  /** A rule as far as it was read. */
  private static final class Draft {
    final String name;
    final int line;
    String runtime = "";
    List<String> programs = List.of();
    Set<Rlimit> limits = EnumSet.of(Rlimit.DATA, Rlimit.AS);
    Set<Integer> exitValues = new TreeSet<>();
    boolean onStdout = true;
    boolean onStderr = true;
    List<Pattern> texts = new ArrayList<>();
    Cause cause = Cause.ALLOCATION_DENIED;
    Confidence most = Confidence.PROBABLE;
    String remedy = "";
    Map<Rlimit, Long> starts = new EnumMap<>(Rlimit.class);
    List<String> cases = new ArrayList<>();

    Draft(String name, int line) {
      this.name = name;
      this.line = line;
    }
  }

  List<RuntimeRule> parse(String text) {
    for (String raw : text.lines().toList()) {
      number++;
      String line = raw.strip();
      Matcher head = HEAD.matcher(line);
      if (head.matches()) {
        finish();
        draft = new Draft(head.group(1), number);
        if (!names.add(draft.name)) {
          throw wrong("there is a rule [" + draft.name + "] already; each has a name of its own");
        }
      } else if (!line.isEmpty() && !line.startsWith("#")) {
        read(line);
      }
    }
    finish();
    return List.copyOf(rules);
  }

  private void read(String line) {
    Matcher pair = LINE.matcher(line);
    if (!pair.matches()) {
      throw wrong("'" + line + "' is neither [name], nor key = value, nor a comment with #");
    }
    if (draft.line == 0) {
      throw wrong("'" + line + "' belongs to no rule; a rule begins with a line [name]");
    }
    set(pair.group(1), pair.group(2).strip());
  }

  private void set(String key, String value) {
    switch (key) {
      case "runtime" -> draft.runtime = value;
      case "program" -> draft.programs = List.of(words(value));
      case "limit" -> draft.limits = limits(value);
      case "end" -> draft.exitValues = ends(value);
      case "where" -> where(value);
      case "text" -> draft.texts.add(pattern(value));
      case "cause" -> draft.cause = cause(value);
      case "most" -> draft.most = most(value);
      case "remedy" -> draft.remedy = value;
      case "starts" -> starts(value);
      case "case" -> draft.cases.addAll(List.of(words(value)));
      default ->
          throw wrong(
              "unknown key '"
                  + key
                  + "'; they are runtime, program, limit, end, where, text, cause, most, remedy,"
                  + " starts and case");
    }
  }

  private void finish() {
    if (draft.line == 0) {
      return;
    }
    if (draft.texts.isEmpty() && draft.starts.isEmpty()) {
      number = draft.line;
      throw wrong("the rule [" + draft.name + "] has no text");
    }
    if (draft.texts.isEmpty() && draft.cause != Cause.LIMIT_TOO_LOW) {
      number = draft.line;
      throw wrong("a rule without a text can only be for the cause limit-too-low");
    }
    rules.add(
        new RuntimeRule(
            draft.name,
            draft.runtime.isEmpty() ? draft.name : draft.runtime,
            draft.programs,
            draft.limits,
            draft.exitValues,
            draft.onStdout,
            draft.onStderr,
            draft.texts,
            draft.cause,
            draft.most,
            draft.remedy,
            draft.starts,
            draft.cases));
  }

  private String[] words(String value) {
    if (value.isEmpty()) {
      throw wrong("there is nothing behind the =");
    }
    return value.split(" +", -1);
  }

  private Set<Rlimit> limits(String value) {
    Set<Rlimit> limits = EnumSet.noneOf(Rlimit.class);
    for (String word : words(value)) {
      limits.add(limit(word));
    }
    return limits;
  }

  private Rlimit limit(String word) {
    return switch (word) {
      case "data" -> Rlimit.DATA;
      case "as" -> Rlimit.AS;
      default -> throw wrong("unknown limit '" + word + "'; allowed are data and as");
    };
  }

  private Set<Integer> ends(String value) {
    Set<Integer> ends = new TreeSet<>();
    if (value.equals("any")) {
      return ends;
    }
    for (String one : value.split(" *; *", -1)) {
      Matcher end = END.matcher(one);
      if (!end.matches()) {
        throw wrong(
            "'" + one + "' is no end; write for example 'exit 1; exit 3-7; signal 6', or 'any'");
      }
      boolean signal = end.group(1).equals("signal");
      int from = Integer.parseInt(end.group(2));
      int to = end.group(3) == null ? from : Integer.parseInt(end.group(3));
      if (from < 1 || to < from || to > (signal ? 64 : 255)) {
        throw wrong("'" + one + "' is out of range; allowed are exit 1 to 255 and signal 1 to 64");
      }
      for (int code = from; code <= to; code++) {
        ends.add(signal ? WaitStatus.SIGNALLED + code : code);
      }
    }
    return ends;
  }

  private void where(String value) {
    List<String> streams = List.of(words(value));
    if (!List.of("stdout", "stderr").containsAll(streams)) {
      throw wrong("unknown stream in '" + value + "'; allowed are stdout and stderr");
    }
    draft.onStdout = streams.contains("stdout");
    draft.onStderr = streams.contains("stderr");
  }

  private Pattern pattern(String value) {
    try {
      Pattern pattern = Pattern.compile(value, Pattern.MULTILINE);
      if (pattern.matcher("").find()) {
        throw wrong("the text '" + value + "' matches anything, also nothing");
      }
      return pattern;
    } catch (PatternSyntaxException e) {
      throw wrong("'" + value + "' is no pattern of java.util.regex: " + e.getDescription());
    }
  }

  private Cause cause(String value) {
    for (Cause cause : List.of(Cause.ALLOCATION_DENIED, Cause.LIMIT_TOO_LOW, Cause.RUNTIME_HEAP)) {
      if (cause.label().equals(value)) {
        return cause;
      }
    }
    throw wrong(
        "unknown cause '"
            + value
            + "'; allowed are allocation-denied, limit-too-low and runtime-heap");
  }

  private Confidence most(String value) {
    return switch (value) {
      case "probable" -> Confidence.PROBABLE;
      case "possible" -> Confidence.POSSIBLE;
      default ->
          throw wrong(
              "'"
                  + value
                  + "' is not what a text can be; allowed are probable and possible: only who saw"
                  + " the refusal is certain");
    };
  }

  private void starts(String value) {
    for (String one : value.split(" *, *", -1)) {
      Matcher start = START.matcher(one);
      if (!start.matches()) {
        throw wrong("'" + one + "' is no limit; write for example 'data 24MiB, as 700MiB'");
      }
      try {
        draft.starts.put(limit(start.group(1)), MemorySize.parse(start.group(2)));
      } catch (IllegalArgumentException e) {
        throw wrong(String.valueOf(e.getMessage()));
      }
    }
  }

  private IllegalArgumentException wrong(String what) {
    return new IllegalArgumentException("line " + number + " of the rules: " + what);
  }
}
