package io.memguard.limits;

import java.math.BigDecimal;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Reads and writes amounts of memory as people write them: {@code 512MiB}, {@code 1.5g}, {@code
 * 64000}.
 *
 * <p>{@code KiB}, {@code Ki}, and the bare {@code K}, {@code M}, {@code G}, {@code T} of docker(1),
 * systemd and the JVM are powers of 1024; {@code kB}, {@code MB}, {@code GB}, {@code TB} are powers
 * of 1000. Case does not matter.
 *
 * <p>Safe to be used by several threads: it keeps nothing.
 */
public final class MemorySize {
  private static final Pattern FORM = Pattern.compile("([0-9]+(?:\\.[0-9]+)?)\\s*([a-zA-Z]*)");
  private static final BigDecimal LARGEST = BigDecimal.valueOf(Long.MAX_VALUE);
  private static final String[] BINARY_UNITS = {"B", "KiB", "MiB", "GiB", "TiB"};
  private static final String ALLOWED =
      "write a number of bytes from 1 to 8EiB-1, with a unit if you like: B, KiB, MiB, GiB, TiB (or K, M, G, T),"
          + " kB, MB, GB, TB; for example 512MiB";

  private static final Map<String, Long> UNITS =
      Map.ofEntries(
          Map.entry("", 1L),
          Map.entry("b", 1L),
          Map.entry("k", 1L << 10),
          Map.entry("ki", 1L << 10),
          Map.entry("kib", 1L << 10),
          Map.entry("kb", 1_000L),
          Map.entry("m", 1L << 20),
          Map.entry("mi", 1L << 20),
          Map.entry("mib", 1L << 20),
          Map.entry("mb", 1_000_000L),
          Map.entry("g", 1L << 30),
          Map.entry("gi", 1L << 30),
          Map.entry("gib", 1L << 30),
          Map.entry("gb", 1_000_000_000L),
          Map.entry("t", 1L << 40),
          Map.entry("ti", 1L << 40),
          Map.entry("tib", 1L << 40),
          Map.entry("tb", 1_000_000_000_000L));

  private MemorySize() {}

  /**
   * Reads an amount of memory.
   *
   * @param text for example {@code "512MiB"}
   * @return bytes, at least 1
   * @throws IllegalArgumentException if the text is no amount, is zero, or does not fit into 63
   *     bits; the message names the text and what is allowed
   */
  public static long parse(String text) {
    Objects.requireNonNull(text, "memory size is null; " + ALLOWED);
    Matcher parts = FORM.matcher(text.strip());
    if (!parts.matches()) {
      throw refuse(
          text, text.strip().startsWith("-") ? "is negative" : "is not an amount of memory");
    }
    Long unit = UNITS.get(parts.group(2).toLowerCase(Locale.ROOT));
    if (unit == null) {
      throw refuse(text, "has the unknown unit \"" + parts.group(2) + "\"");
    }
    BigDecimal bytes = new BigDecimal(parts.group(1)).multiply(BigDecimal.valueOf(unit));
    if (bytes.compareTo(LARGEST) > 0) {
      throw refuse(text, "is more than 8EiB-1");
    }
    if (bytes.compareTo(BigDecimal.ONE) < 0) {
      throw refuse(text, "is less than one byte");
    }
    return bytes.longValue();
  }

  /**
   * Writes an amount of memory in the largest binary unit that shows it exactly, else with one
   * decimal.
   *
   * @param bytes 0 or more
   * @return for example {@code "512MiB"}
   */
  public static String format(long bytes) {
    int unit = 0;
    long whole = bytes;
    while (whole >= 1024 && whole % 1024 == 0 && unit < BINARY_UNITS.length - 1) {
      whole /= 1024;
      unit++;
    }
    if (whole < 10_240) {
      return whole + BINARY_UNITS[unit];
    }
    double rounded = bytes;
    unit = 0;
    while (rounded >= 1024 && unit < BINARY_UNITS.length - 1) {
      rounded /= 1024;
      unit++;
    }
    return String.format(Locale.ROOT, "%.1f%s", rounded, BINARY_UNITS[unit]);
  }

  private static IllegalArgumentException refuse(String text, String why) {
    return new IllegalArgumentException("memory size \"" + text + "\" " + why + "; " + ALLOWED);
  }
}
