package io.memguard.platform.procfs;

/**
 * A text of lines like {@code Pss_Anon: 112 kB}, as {@code smaps_rollup}, {@code status} and {@code
 * meminfo} have them.
 */
final class SizeLines {
  private final String text;

  private SizeLines(String text) {
    this.text = "\n" + text;
  }

  static SizeLines of(String text) {
    return new SizeLines(text);
  }

  boolean has(String name) {
    return text.contains("\n" + name + ":");
  }

  /** Returns the size in the line of that name, or 0 if there is none. */
  long bytes(String name) {
    int at = text.indexOf("\n" + name + ":");
    if (at < 0) {
      return 0;
    }
    long kib = 0;
    for (at += name.length() + 2; at < text.length() && text.charAt(at) != '\n'; at++) {
      char next = text.charAt(at);
      if (next >= '0' && next <= '9') {
        kib = kib * 10 + (next - '0');
      }
    }
    return kib * 1024;
  }
}
