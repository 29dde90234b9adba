package io.memguard.cli;

/** Text in lines of no more than 80 columns. */
final class Paragraphs {
  private static final int WIDTH = 80;

  private final StringBuilder text = new StringBuilder();

  /** Replaces what a terminal would obey: names may hold anything. A line stays one line. */
  static String clean(String raw) {
    return raw.replaceAll("[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]", "?");
  }

  /** Adds a line as it is. */
  void line(String line) {
    text.append(line).append('\n');
  }

  /**
   * Adds words, broken between two of them, or within one that is longer than a line.
   *
   * @param begin what the first line begins with; the others begin with as many spaces
   */
  void paragraph(String begin, String words) {
    StringBuilder line = new StringBuilder(begin);
    int indent = begin.length();
    for (String word : clean(words).split(" +", -1)) {
      String rest = word;
      if (line.length() > indent && line.length() + 1 + rest.length() > WIDTH) {
        line = wrap(line, indent);
      }
      if (line.length() > indent) {
        line.append(' ');
      }
      while (line.length() + rest.length() > WIDTH) {
        int room = WIDTH - line.length();
        line.append(rest, 0, room);
        rest = rest.substring(room);
        line = wrap(line, indent);
      }
      line.append(rest);
    }
    line(line.toString());
  }

  private StringBuilder wrap(StringBuilder full, int indent) {
    line(full.toString());
    return new StringBuilder(" ".repeat(indent));
  }

  @Override
  public String toString() {
    return text.toString();
  }
}
