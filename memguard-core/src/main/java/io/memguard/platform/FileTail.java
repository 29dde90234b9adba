package io.memguard.platform;

import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;

/**
 * The end of a file that a child's output was redirected to, without what was in it before.
 *
 * @param file the file
 * @param begin where the child's own part begins, in bytes
 */
public record FileTail(Path file, long begin) {
  private static final int LENGTH = 8192;

  /**
   * Notes where a file that will be appended to ends now. Only regular files count: others cannot
   * be read again.
   */
  public static Optional<FileTail> of(File file, boolean append) {
    if (file.exists() && !file.isFile()) {
      return Optional.empty();
    }
    try {
      return Optional.of(new FileTail(file.toPath(), append ? file.length() : 0));
    } catch (InvalidPathException e) {
      return Optional.empty(); // the JVM's charset has no name for it
    }
  }

  /** Reads the last few KiB, or an empty text if that is impossible. */
  public String text() {
    if (!Files.isRegularFile(file)) {
      return ""; // the child has put something else there
    }
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      long from = Math.max(begin, channel.size() - LENGTH);
      ByteBuffer bytes = ByteBuffer.allocate(LENGTH);
      while (bytes.hasRemaining() && channel.read(bytes, from + bytes.position()) > 0) {}
      return new String(bytes.array(), 0, bytes.position(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      return ""; // a hint is missing then, nothing more
    }
  }
}
