package io.memguard.benchmarks;

import java.io.PrintStream;
import java.util.Arrays;
import java.util.Locale;

/** The tables, in Markdown. Every ratio is the median of the rounds' own ratios. */
final class Report {
  private final Rounds rounds;
  private final PrintStream out;

  Report(Rounds rounds, PrintStream out) {
    this.rounds = rounds;
    this.out = out;
  }

  void print(int count) {
    out.println(
        format(
            "%s, JDK %d, Linux %s, %d CPUs, medians of %d rounds%n",
            Way.PROGRAM,
            Runtime.version().feature(),
            System.getProperty("os.version"),
            Runtime.getRuntime().availableProcessors(),
            count));
    printWays();
    printSettings();
    printTargets();
  }

  private void printWays() {
    Figures toExit = rounds.of(Setting.TO_EXIT, Way.PROCESS_BUILDER);
    Figures toStarted = rounds.of(Setting.TO_STARTED, Way.PROCESS_BUILDER);
    header(
        "launch",
        "to exit, µs",
        "× ProcessBuilder",
        "× C floor",
        "to started, µs",
        "× ProcessBuilder",
        "KiB allocated",
        "stdio");
    line(
        "C floor: posix_spawn, unguarded",
        number(rounds.floorToExit),
        ratio(rounds.floorToExit, toExit),
        "1.00",
        number(rounds.floorToStarted),
        ratio(rounds.floorToStarted, toStarted),
        "",
        "inherited");
    for (Way way : Setting.TO_EXIT.ways()) {
      Figures started = rounds.of(Setting.TO_STARTED, way);
      line(
          way.label(),
          number(rounds.of(Setting.TO_EXIT, way)),
          ratio(rounds.of(Setting.TO_EXIT, way), toExit),
          ratio(rounds.of(Setting.TO_EXIT, way), rounds.floorToExit),
          number(started),
          ratio(started, toStarted),
          format("%.1f", rounds.bytesOf(way).median() / 1024),
          way.stdio());
    }
    out.println();
  }

  private void printSettings() {
    header("setting", "ProcessBuilder", "guarded", "× ProcessBuilder", "× guarded, launch to exit");
    for (Setting setting : Setting.values()) {
      Figures guarded = rounds.of(setting, Way.GUARDED);
      line(
          setting.label(),
          number(rounds.of(setting, Way.PROCESS_BUILDER)),
          number(guarded),
          ratio(guarded, rounds.of(setting, Way.PROCESS_BUILDER)),
          setting.benchmark() == LaunchToExit.class && setting != Setting.TWO_THREADS
              ? ratio(guarded, rounds.of(Setting.TO_EXIT, Way.GUARDED))
              : "");
    }
    out.println();
  }

  private void printTargets() {
    Figures guarded = rounds.of(Setting.TO_EXIT, Way.GUARDED);
    header("ratio", "median", "rounds", "wanted at most", "");
    target(
        "guarded / ProcessBuilder",
        guarded.dividedBy(rounds.of(Setting.TO_EXIT, Way.PROCESS_BUILDER)),
        0.55);
    target("guarded / C floor", guarded.dividedBy(rounds.floorToExit), 1.30);
    target(
        "guarded, 8 GiB heap / without",
        rounds.of(Setting.LARGE_HEAP, Way.GUARDED).dividedBy(guarded),
        1.10);
    target(
        "guarded, 10,000 descriptors / without",
        rounds.of(Setting.MANY_DESCRIPTORS, Way.GUARDED).dividedBy(guarded),
        1.20);
    out.println();
  }

  private void target(String what, Figures ratios, double most) {
    if (ratios.isEmpty()) {
      line(what, "", "", format("%.2f", most), "not measured");
      return;
    }
    line(
        what,
        format("%.2f", ratios.median()),
        format("%.2f to %.2f", ratios.least(), ratios.most()),
        format("%.2f", most),
        ratios.median() <= most ? "met" : "MISSED");
  }

  private void header(String first, String... rest) {
    line(first, rest);
    String[] alignment = new String[rest.length];
    Arrays.fill(alignment, "---:");
    line("---", alignment);
  }

  private void line(String first, String... rest) {
    out.println("| " + first + " | " + String.join(" | ", rest) + " |");
  }

  private static String number(Figures figures) {
    return figures.isEmpty() ? "" : format("%.0f", figures.median());
  }

  private static String ratio(Figures figures, Figures base) {
    return figures.isEmpty() ? "" : format("%.2f", figures.dividedBy(base).median());
  }

  private static String format(String format, Object... arguments) {
    return String.format(Locale.ROOT, format, arguments);
  }
}
