package io.memguard.platform.kernellog;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A record of {@code /dev/kmsg}.
 *
 * @param facility who wrote it: 0 is the kernel; whoever may write to the file is another
 * @param sequence its number; one that is missing was overwritten before it was read
 * @param micros when, on the kernel's own monotonic clock, which NTP does not steer
 * @param text the first line, without the lines {@code KEY=value} that may follow
 */
public record LogRecord(int facility, long sequence, long micros, String text) {
  private static final Pattern PREFIX =
      Pattern.compile("(\\d{1,6}),(\\d{1,18}),(\\d{1,18}),[^;]*;(.*)", Pattern.DOTALL);
  private static final Pattern ESCAPE = Pattern.compile("\\\\x([0-9a-f]{2})");
  private static final int LEVELS = 8;

  /** Reads what one read of {@code /dev/kmsg} gives; empty if it is no record. */
  public static Optional<LogRecord> parse(String record) {
    Matcher parts = PREFIX.matcher(record);
    if (!parts.matches()) {
      return Optional.empty();
    }
    int priority = Integer.parseInt(parts.group(1));
    String text = parts.group(4).lines().findFirst().orElse("");
    return Optional.of(
        new LogRecord(
            priority / LEVELS,
            Long.parseLong(parts.group(2)),
            Long.parseLong(parts.group(3)),
            unescape(text)));
  }

  /** Tells whether the kernel itself wrote it. */
  public boolean isFromKernel() {
    return facility == 0;
  }

  /** Bytes that are not printable, and backslashes, are written in hexadecimal. */
  private static String unescape(String text) {
    return ESCAPE
        .matcher(text)
        .replaceAll(
            match ->
                Matcher.quoteReplacement(
                    String.valueOf((char) Integer.parseInt(match.group(1), 16))));
  }
}
