package io.memguard.platform;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;

/**
 * A small file of cgroupfs or {@code /proc} that is kept open, because it is read again and again:
 * a read costs one or two microseconds, where opening it costs ten.
 *
 * <p>Whoever opens it closes it. Not safe to share between threads.
 */
public final class OpenFile implements AutoCloseable {
  /** The kernel hands out no more of such a file than a page with one read. */
  private static final int LARGEST = 4096;

  private final RandomAccessFile file;
  private final byte[] buffer = new byte[LARGEST];

  private OpenFile(RandomAccessFile file) {
    this.file = file;
  }

  /** Opens a file; what cannot be opened is not known, as if it were not there. */
  public static Optional<OpenFile> open(Path path) {
    if (!Files.isReadable(path)) {
      return Optional.empty();
    }
    try {
      return Optional.of(new OpenFile(new RandomAccessFile(path.toFile(), "r")));
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  /** Reads it from its start, one page at most; empty if it was removed, or this is closed. */
  public byte[] read() {
    try {
      file.seek(0);
      int length = file.read(buffer, 0, LARGEST);
      return length <= 0 ? new byte[0] : Arrays.copyOf(buffer, length);
    } catch (IOException e) {
      return new byte[0];
    }
  }

  /** Reads it as text, as {@link #read} does. */
  public String text() {
    return new String(read(), StandardCharsets.US_ASCII);
  }

  /** Closes it; then it reads as empty. */
  @Override
  public void close() {
    try {
      file.close();
    } catch (IOException e) {
      // it was only read from
    }
  }
}
