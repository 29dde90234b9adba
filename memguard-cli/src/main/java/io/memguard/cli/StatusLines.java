package io.memguard.cli;

import io.memguard.limits.MemorySize;
import io.memguard.outcome.MemoryReading;
import io.memguard.platform.ErrorTerminal;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalLong;

/**
 * Puts a snapshot into words, and into the lines of a terminal: none is longer than that is wide.
 */
final class StatusLines {
  private static final int LEAST_COLUMNS = 16;
  private static final int ROWS_FOR_TWO = 6;
  private static final int ROWS_FOR_ALL = 12;
  private static final int LABEL = 6;
  private static final int SHORTEST_BAR = 8;
  private static final int LONGEST_BAR = 40;
  private static final double NEAR = 0.75;
  private static final double VERY_NEAR = 0.9;
  private static final double MIB = 1 << 20;
  private static final double GIB = 1 << 30;

  /** What is less would be none. */
  private static final double SMALLEST_MIB = 0.05;

  private static final int PERCENT = 100;
  private static final int MINUTE = 60;

  private static final String DIM = "\033[2m";
  private static final String GREEN = "\033[32m";
  private static final String YELLOW = "\033[33m";
  private static final String RED = "\033[31m";
  private static final String PLAIN = "\033[0m";

  private final boolean colour;
  private final boolean blocks;

  /**
   * Chooses how to write.
   *
   * @param blocks whether there is more to write with than ASCII
   */
  StatusLines(boolean colour, boolean blocks) {
    this.colour = colour;
    this.blocks = blocks;
  }

  /** One of the two limits, as far as it is known. */
  private record Gauge(String label, String value, String rest, double part) {}

  /** Returns the lines; fewer, or none, where the terminal is small. */
  List<String> of(Snapshot now, ErrorTerminal.Size size) {
    int columns = size.columns();
    if (columns < LEAST_COLUMNS || size.rows() < ROWS_FOR_TWO) {
      return List.of();
    }
    List<Gauge> gauges = gauges(now, size.rows() >= ROWS_FOR_ALL);
    List<String> lines = new ArrayList<>();
    lines.add(paint(DIM, rule(now, columns)));
    int bar = bar(gauges, columns);
    gauges.forEach(gauge -> lines.add(line(gauge, bar, columns)));
    if (size.rows() >= ROWS_FOR_ALL) {
      lines.add(cut("last  " + now.event().map(StatusLines::brief).orElse("nothing yet"), columns));
    }
    return lines;
  }

  private String rule(Snapshot now, int columns) {
    String dash = blocks ? "─" : "-";
    StringBuilder rule = new StringBuilder(dash.repeat(2) + " memguard " + dash);
    for (String part : parts(now)) {
      String more = dash + " " + part + " " + dash;
      if (rule.length() + more.length() <= columns) {
        rule.append(more);
      }
    }
    return cut(rule + dash.repeat(Math.max(0, columns - rule.length())), columns);
  }

  private static List<String> parts(Snapshot now) {
    List<String> parts = new ArrayList<>(List.of(clock(now.elapsed())));
    now.reading().ifPresent(it -> parts.add(processes(it)));
    if (now.attempts() > 1) {
      parts.add(attempt(now));
    }
    now.reading().ifPresent(it -> it.pressure().ifPresent(part -> parts.add(pressure(part))));
    return parts;
  }

  private static List<Gauge> gauges(Snapshot now, boolean both) {
    List<Gauge> gauges = new ArrayList<>();
    gauges.add(
        gauge(
            "tree",
            now.bytes(),
            now.reading().map(MemoryReading::limitBytes).orElse(OptionalLong.empty()),
            "  peak " + size(now.peakBytes())));
    if (both) {
      now.own()
          .ifPresent(
              own ->
                  gauges.add(
                      gauge(
                          own.resource().name().toLowerCase(Locale.ROOT),
                          own.bytes(),
                          OptionalLong.of(own.limit()),
                          "  " + own.pid() + " " + ascii(own.name()))));
    }
    return gauges;
  }

  private static Gauge gauge(String label, long bytes, OptionalLong limit, String rest) {
    return limit.isPresent()
        ? new Gauge(
            label,
            String.format(
                Locale.ROOT,
                "%9s of %-8s %3d%%",
                size(bytes),
                size(limit.getAsLong()),
                percent((double) bytes / limit.getAsLong())),
            rest,
            (double) bytes / limit.getAsLong())
        : new Gauge(label, String.format(Locale.ROOT, "%9s", size(bytes)), rest, -1);
  }

  /** One length for all of them; 0 where there is no room for any. */
  private static int bar(List<Gauge> gauges, int columns) {
    int longest = 0;
    for (Gauge gauge : gauges) {
      longest = gauge.part < 0 ? longest : Math.max(longest, gauge.value.length());
    }
    int rest = gauges.stream().mapToInt(gauge -> gauge.rest.length()).max().orElse(0);
    int withRest = columns - LABEL - longest - 1 - rest;
    int room = withRest >= SHORTEST_BAR ? withRest : columns - LABEL - longest - 1;
    return longest == 0 || room < SHORTEST_BAR ? 0 : Math.min(room, LONGEST_BAR);
  }

  private String line(Gauge gauge, int bar, int columns) {
    String label = String.format(Locale.ROOT, "%-" + LABEL + "s", gauge.label);
    if (bar == 0 || gauge.part < 0) {
      return cut(label + gauge.value.strip() + gauge.rest, columns);
    }
    int full = (int) Math.round(Math.min(1, gauge.part) * bar);
    String colour = gauge.part >= VERY_NEAR ? RED : gauge.part >= NEAR ? YELLOW : GREEN;
    String drawn =
        paint(colour, (blocks ? "█" : "#").repeat(full))
            + paint(DIM, (blocks ? "░" : ".").repeat(bar - full));
    return label + drawn + " " + cut(gauge.value + gauge.rest, columns - LABEL - bar - 1);
  }

  private String paint(String with, String text) {
    return colour && !text.isEmpty() ? with + text + PLAIN : text;
  }

  private String cut(String text, int columns) {
    return text.length() <= columns ? text : text.substring(0, columns - 1) + (blocks ? "…" : "~");
  }

  /** Says it all on one line. */
  static String plain(Snapshot now) {
    MemoryReading reading = now.reading().orElseThrow();
    StringBuilder line = new StringBuilder(clock(now.elapsed())).append(": ");
    line.append(size(now.bytes()));
    reading.limitBytes().ifPresent(limit -> line.append(of(now.bytes(), limit)));
    line.append(" in ").append(processes(reading));
    line.append(", peak ").append(size(now.peakBytes()));
    now.own()
        .ifPresent(
            own ->
                line.append(", process ")
                    .append(own.pid())
                    .append(" (")
                    .append(ascii(own.name()))
                    .append(") ")
                    .append(size(own.bytes()))
                    .append(of(own.bytes(), own.limit()))
                    .append(" RLIMIT_")
                    .append(own.resource()));
    if (now.attempts() > 1) {
      line.append(", ").append(attempt(now));
    }
    reading.pressure().ifPresent(part -> line.append(", ").append(pressure(part)));
    return line.toString();
  }

  /** Says what happened, and when. */
  static String plain(Snapshot.Event event) {
    return clock(event.at()) + ": " + ascii(event.text());
  }

  private static String brief(Snapshot.Event event) {
    return clock(event.at()) + " " + ascii(event.brief());
  }

  private static String of(long bytes, long limit) {
    return " of " + size(limit) + " (" + percent((double) bytes / limit) + "%)";
  }

  private static String processes(MemoryReading reading) {
    return reading.processes() + (reading.processes() == 1 ? " process" : " processes");
  }

  private static String attempt(Snapshot now) {
    return "attempt " + now.attempt() + " of " + now.attempts();
  }

  private static String pressure(double part) {
    return "pressure " + percent(part) + "%";
  }

  private static int percent(double part) {
    return (int) Math.floor(part * PERCENT);
  }

  /** Returns a size with one decimal, or none where it is 0: it must not jump from unit to unit. */
  static String size(long bytes) {
    double mib = bytes / MIB;
    if (bytes > 0 && mib < SMALLEST_MIB) {
      return MemorySize.format(bytes);
    }
    String number =
        String.format(Locale.ROOT, "%.1f", bytes >= 10 * GIB ? bytes / GIB : mib)
            .replaceFirst("\\.0$", "");
    return number + (bytes >= 10 * GIB ? "GiB" : "MiB");
  }

  static String clock(Duration elapsed) {
    long minutes = elapsed.toMinutes();
    String rest = String.format(Locale.ROOT, "%02d", elapsed.toSecondsPart());
    return minutes < MINUTE
        ? minutes + ":" + rest
        : String.format(Locale.ROOT, "%d:%02d:%s", minutes / MINUTE, minutes % MINUTE, rest);
  }

  /** Names come from outside: nothing of them may move the cursor, or be wider than it is long. */
  private static String ascii(String text) {
    return text.replaceAll("[^ -~]", "?");
  }
}
