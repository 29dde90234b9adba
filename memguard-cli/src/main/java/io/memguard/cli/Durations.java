package io.memguard.cli;

import java.math.BigDecimal;
import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads durations as people write them: {@code 30s}, {@code 1h30m}, {@code 500ms}, {@code 1.5}. */
final class Durations {
  private static final Pattern PART = Pattern.compile("([0-9]+(?:\\.[0-9]+)?)(ms|s|m|h|d|$)");
  private static final BigDecimal MILLI = BigDecimal.valueOf(1_000_000);
  private static final BigDecimal SECOND = BigDecimal.valueOf(1_000_000_000);
  private static final Duration LONGEST = Duration.ofDays(36_500);
  private static final String FORM =
      "write for example 30s, 5m, 1h30m, 500ms, or a number of seconds; at most 36500d";

  private Durations() {}

  /**
   * Reads a duration.
   *
   * @throws IllegalArgumentException if it is none, or too long; the message says what is allowed
   */
  static Duration parse(String text) {
    Matcher part = PART.matcher(text);
    BigDecimal nanos = BigDecimal.ZERO;
    int end = 0;
    while (end < text.length() && part.find() && part.start() == end) {
      nanos = nanos.add(new BigDecimal(part.group(1)).multiply(unit(part.group(2))));
      end = part.end();
    }
    if (text.isEmpty() || end != text.length()) {
      throw new IllegalArgumentException("\"" + text + "\" is not a duration; " + FORM);
    }
    if (nanos.compareTo(BigDecimal.valueOf(LONGEST.toSeconds()).multiply(SECOND)) > 0) {
      throw new IllegalArgumentException("\"" + text + "\" is too long; " + FORM);
    }
    return Duration.ofNanos(nanos.longValue());
  }

  private static BigDecimal unit(String name) {
    return switch (name) {
      case "ms" -> MILLI;
      case "m" -> SECOND.multiply(BigDecimal.valueOf(60));
      case "h" -> SECOND.multiply(BigDecimal.valueOf(3_600));
      case "d" -> SECOND.multiply(BigDecimal.valueOf(86_400));
      default -> SECOND;
    };
  }
}
