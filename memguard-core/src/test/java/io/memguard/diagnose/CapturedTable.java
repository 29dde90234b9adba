package io.memguard.diagnose;

import io.memguard.diagnose.CapturedCases.Captured;
import io.memguard.limits.MemorySize;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.WitnessRecord;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What is said of each captured end, with its witness and as if there had been none. */
final class CapturedTable {
  /** How programs name the size that they were refused. */
  private static final Pattern SAID =
      Pattern.compile(
          "(?:allocat(?:e|ing)|allocation of|failed to map|tried to allocate|malloc of size|buffer of"
              + " size|vector of size) ([0-9.]+)(?: (bytes|MiB|Mb|Kb)| failed)");

  /** How good a verdict is. */
  enum Grade {
    CERTAIN,
    PROBABLE,
    POSSIBLE,
    WRONG,
    UNKNOWN
  }

  /** A captured end, and what is said of it. */
  record Row(Captured captured, Outcome watched, Outcome unwatched) {
    private static Row of(Captured one) {
      return new Row(one, one.played().diagnosed(), one.played().unwatched().diagnosed());
    }

    Grade grade(boolean withWitness) {
      if (!((withWitness ? watched : unwatched) instanceof Outcome.OutOfMemory memory)) {
        return Grade.UNKNOWN;
      }
      return captured.right().contains(memory.cause())
          ? Grade.valueOf(memory.confidence().name())
          : Grade.WRONG;
    }

    boolean isWronglyCertain() {
      return List.of(true, false).stream()
          .filter(witness -> grade(witness) == Grade.WRONG)
          .map(witness -> (Outcome.OutOfMemory) (witness ? watched : unwatched))
          .anyMatch(memory -> memory.confidence() == Confidence.CERTAIN);
    }

    /** What the verdict names. */
    OptionalLong refused() {
      return watched instanceof Outcome.OutOfMemory memory
          ? memory.refusedBytes()
          : OptionalLong.empty();
    }

    /** What the program itself named, the last of it; nothing of a limit of its own. */
    OptionalLong said() {
      OptionalLong said = OptionalLong.empty();
      Matcher matcher = SAID.matcher(captured.played().out() + captured.played().err());
      while (!captured.kind().equals("own") && matcher.find()) {
        String unit = matcher.group(2) == null ? "bytes" : matcher.group(2);
        long scale = unit.startsWith("M") ? 1 << 20 : unit.startsWith("K") ? 1 << 10 : 1;
        said = OptionalLong.of((long) (Double.parseDouble(matcher.group(1)) * scale));
      }
      return said;
    }

    private String line() {
      String kind = captured.kind();
      String what = kind.equals("start") ? "cannot start" : kind.equals("own") ? "own limit" : "";
      return "| "
          + String.join(
              " | ",
              captured.runtime(),
              captured.resource().toUpperCase(Locale.ROOT),
              what.isEmpty() ? captured.job() : what,
              captured.hung() ? "hung" : captured.played().status().toString(),
              verdict(true),
              size(refused()),
              size(said()),
              verdict(false))
          + " |";
    }

    private String verdict(boolean withWitness) {
      Outcome outcome = withWitness ? watched : unwatched;
      if (captured.hung()) {
        return "-";
      }
      String grade = grade(withWitness) == Grade.WRONG ? ", **wrong**" : "";
      String unseen = withWitness && !attached() ? " (no witness)" : "";
      return outcome instanceof Outcome.OutOfMemory memory
          ? memory.cause() + " " + memory.confidence() + grade + unseen
          : "unknown" + unseen;
    }

    private boolean attached() {
      return captured.played().witness().filter(WitnessRecord::attached).isPresent();
    }

    private static String size(OptionalLong bytes) {
      return bytes.isPresent() ? MemorySize.format(bytes.getAsLong()) : "";
    }
  }

  private final List<Row> rows = CapturedCases.all().stream().map(Row::of).toList();

  /** Those that ended themselves. */
  List<Row> ended() {
    return rows.stream().filter(row -> !row.captured().hung()).toList();
  }

  long count(boolean withWitness, Grade grade) {
    return ended().stream().filter(row -> row.grade(withWitness) == grade).count();
  }

  String text() {
    List<String> lines = new ArrayList<>();
    for (boolean witness : List.of(true, false)) {
      lines.add(witness ? "With the witness:" : "Without it:");
      lines.add("");
      lines.add("| | ends | certain | probable | possible | wrong | unknown |");
      lines.add("| --- | ---: | ---: | ---: | ---: | ---: | ---: |");
      for (String resource : List.of("data", "as")) {
        String limit = "under RLIMIT_" + resource.toUpperCase(Locale.ROOT);
        lines.add(totals("refused memory " + limit, witness, is("refused", resource)));
        lines.add(totals("cannot start " + limit, witness, is("start", resource)));
      }
      lines.add(totals("reached a limit of its own", witness, is("own", "data")));
      lines.add(totals("**all**", witness, row -> true));
      lines.add("");
    }
    lines.add("| runtime | limit | what | end | with the witness | refused | it said | without |");
    lines.add("| --- | --- | --- | --- | --- | ---: | ---: | --- |");
    rows.forEach(row -> lines.add(row.line()));
    return String.join("\n", lines) + "\n";
  }

  private static Predicate<Row> is(String kind, String resource) {
    return row -> row.captured().kind().equals(kind) && row.captured().resource().equals(resource);
  }

  private String totals(String what, boolean witness, Predicate<Row> which) {
    List<Row> those = ended().stream().filter(which).toList();
    StringBuilder line = new StringBuilder("| ").append(what).append(" | ").append(those.size());
    for (Grade grade : Grade.values()) {
      long count = those.stream().filter(row -> row.grade(witness) == grade).count();
      line.append(" | ").append(count);
      if (grade == Grade.UNKNOWN) {
        line.append(String.format(Locale.ROOT, " (%.1f %%)", 100.0 * count / those.size()));
      }
    }
    return line.append(" |").toString();
  }
}
