package io.memguard.cli;

import java.io.IOException;
import java.util.Locale;

/**
 * The file of {@code --plot}, and what will be drawn there.
 *
 * @param format {@code svg} or {@code png}
 */
record PlotFile(OutputFile file, String format, History history) {
  /**
   * Checks that it can be written, and changes nothing.
   *
   * @param name ends in {@code .svg} or {@code .png}
   * @throws IllegalArgumentException if it does not
   * @throws IOException if it cannot be written; the message says why
   */
  static PlotFile check(String name) throws IOException {
    String ending = name.substring(name.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
    if (!ending.equals("svg") && !ending.equals("png")) {
      throw new IllegalArgumentException(
          "\"" + name + "\" is no name of a plot; it ends in .svg or .png");
    }
    return new PlotFile(OutputFile.check(name), ending, new History());
  }

  /**
   * Draws it.
   *
   * @throws IOException if that is impossible; the message says why
   */
  void write(String command, String end) throws IOException {
    byte[] drawn;
    try {
      drawn = Plot.draw(history, command, end, format);
    } catch (RuntimeException | Error e) { // InternalError without any font; the report is not lost
      throw new IOException(
          "Java cannot draw here ("
              + e
              + "); it needs its java.desktop module, and a font, as in Debian's fonts-dejavu-core",
          e);
    }
    file.write(drawn);
  }
}
