package io.memguard.examples.images;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/**
 * What the batch is called with.
 *
 * @param program thumbnail.py
 * @param folder the pictures
 * @param thumbnails where thumbnails go
 * @param output where the plot goes, and a folder of thumbnails, if they are to be kept
 */
record Arguments(Path program, Path folder, Path thumbnails, Optional<Path> output) {
  /** The one that has Debian's Pillow; another on the PATH may not. */
  private static final String PYTHON = "/usr/bin/python3";

  static Arguments of(String... arguments) throws IOException {
    if (arguments.length < 2 || arguments.length > 3) {
      throw new IllegalArgumentException(
          "give thumbnail.py, the folder with the pictures and, if you like, one for what is made");
    }
    Optional<Path> output =
        arguments.length == 2 ? Optional.empty() : Optional.of(Path.of(arguments[2]));
    Path thumbnails =
        output.isPresent()
            ? Files.createDirectories(output.get().resolve("thumbnails"))
            : Files.createTempDirectory("thumbnails");
    return new Arguments(Path.of(arguments[0]), Path.of(arguments[1]), thumbnails, output);
  }

  ProcessBuilder worker() {
    return new ProcessBuilder(PYTHON, program.toString(), thumbnails.toString())
        .redirectError(ProcessBuilder.Redirect.PIPE);
  }

  List<Path> pictures() throws IOException {
    try (Stream<Path> files = Files.list(folder)) {
      return files.sorted().toList();
    }
  }
}
