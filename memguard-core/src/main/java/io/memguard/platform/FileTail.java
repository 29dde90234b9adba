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
 * @param length how much of it is read at most, in bytes
 */
public record FileTail(Path file, long begin, int length) {

  /**
   * Notes where a file that will be appended to ends now. Only regular files count: others cannot
   * be read again.
   */
  public static Optional<FileTail> of(File file, boolean append, int length) {
    if (file.exists() && !file.isFile()) {
      return Optional.empty();
    }
    try {
      return Optional.of(new FileTail(file.toPath(), append ? file.length() : 0, length));
    } catch (InvalidPathException e) {
      return Optional.empty(); // the JVM's charset has no name for it
    }
  }

  /**
   * Notes where a file ends now that this process has as its own stdout or stderr, and the child
   * will inherit. The file is found again whatever becomes of its name.
   *
   * @param fd 1 or 2
   */
  public static Optional<FileTail> ofInherited(int fd, int length) {
    File own = new File("/proc/self/fd/" + fd);
    return own.isFile() ? of(own, true, length) : Optional.empty();
  }

  /** Reads the last few KiB, or an empty text if that is impossible. */
  public String text() {
    if (!Files.isRegularFile(file)) {
      return ""; // the child has put something else there
    }
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      long from = Math.max(begin, channel.size() - length);
      ByteBuffer bytes = ByteBuffer.allocate(length);
      while (bytes.hasRemaining() && channel.read(bytes, from + bytes.position()) > 0) {}
      return new String(bytes.array(), 0, bytes.position(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      return ""; // a hint is missing then, nothing more
    }
  }
}
