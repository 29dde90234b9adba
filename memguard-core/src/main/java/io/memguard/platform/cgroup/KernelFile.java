package io.memguard.platform.cgroup;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * Reads and writes the small files of {@code /proc} and cgroupfs. A file that is not there, or not
 * for us, is absent: cgroups come and go, and kernels differ in what they have.
 */
final class KernelFile {
  private KernelFile() {}

  static Optional<String> text(Path file) {
    try {
      return Optional.of(new String(Files.readAllBytes(file), StandardCharsets.UTF_8));
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  /**
   * Writes a file, and never makes one: where cgroupfs was unmounted, the directory below is an
   * ordinary one.
   */
  static void write(Path file, String value) throws IOException {
    Files.writeString(file, value, StandardOpenOption.WRITE);
  }

  static List<String> words(Path file) {
    return text(file)
        .map(String::strip)
        .filter(text -> !text.isEmpty())
        .map(text -> List.of(text.split("\\s+", -1)))
        .orElse(List.of());
  }

  /** Reads a file that holds one number; {@code max} is none. */
  static OptionalLong number(Path file) {
    return text(file).map(KernelFile::number).orElse(OptionalLong.empty());
  }

  /** Finds the line {@code key number}. */
  static OptionalLong entry(Path file, String key) {
    return text(file).map(text -> entry(text, key)).orElse(OptionalLong.empty());
  }

  /**
   * Looks at no more of the text than it must: some of these are read a thousand times a second.
   */
  static OptionalLong entry(String text, String key) {
    for (int line = 0; line < text.length(); line = nextLine(text, line)) {
      int value = line + key.length();
      if (text.startsWith(key, line) && value < text.length() && isBlank(text.charAt(value))) {
        return number(word(text, value));
      }
    }
    return OptionalLong.empty();
  }

  private static int nextLine(String text, int from) {
    int end = text.indexOf('\n', from);
    return end < 0 ? text.length() : end + 1;
  }

  private static String word(String text, int from) {
    int begin = from;
    while (begin < text.length() && isBlank(text.charAt(begin))) {
      begin++;
    }
    int end = begin;
    while (end < text.length() && !Character.isWhitespace(text.charAt(end))) {
      end++;
    }
    return text.substring(begin, end);
  }

  private static boolean isBlank(char one) {
    return one == ' ' || one == '\t';
  }

  static OptionalLong number(String text) {
    try {
      return OptionalLong.of(Long.parseLong(text.strip()));
    } catch (NumberFormatException e) {
      return OptionalLong.empty();
    }
  }
}
