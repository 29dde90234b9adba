package io.memguard.platform.cgroup;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.Stream;

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

  /** Lists the directories right below one; none where it is gone, or not for us to look at. */
  static List<Path> directories(Path directory) {
    try (Stream<Path> entries = Files.list(directory)) {
      return entries.filter(Files::isDirectory).toList();
    } catch (IOException | UncheckedIOException e) { // the latter while it is read
      return List.of();
    }
  }

  /** Reads a file that holds one number; {@code max} is none. */
  static OptionalLong number(Path file) {
    return text(file).map(KernelFile::number).orElse(OptionalLong.empty());
  }

  /** Finds the line {@code key number}. */
  static OptionalLong entry(Path file, String key) {
    return text(file).map(text -> entry(text, key)).orElse(OptionalLong.empty());
  }

  static OptionalLong entry(String text, String key) {
    return text.lines()
        .map(line -> line.split("\\s+", -1))
        .filter(fields -> fields.length > 1 && fields[0].equals(key))
        .findFirst()
        .map(fields -> number(fields[1]))
        .orElse(OptionalLong.empty());
  }

  private static OptionalLong number(String text) {
    try {
      return OptionalLong.of(Long.parseLong(text.strip()));
    } catch (NumberFormatException e) {
      return OptionalLong.empty();
    }
  }
}
