package io.memguard.platform.kernellog;

import io.memguard.platform.Errno;
import io.memguard.platform.Linux;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Reads {@code /dev/kmsg} from the moment it was opened, without ever waiting.
 *
 * <p>Not safe to share between threads.
 */
public final class KernelLog implements AutoCloseable {
  private static final Path FILE = Path.of("/dev/kmsg");

  /** Larger than any record: with a smaller one the kernel refuses to hand it out. */
  private static final int BUFFER_BYTES = 16 << 10;

  /** A log that is written faster than read must not keep the caller for ever. */
  private static final int MOST_AT_ONCE = 4096;

  private final Source source;
  private final ByteBuffer buffer = ByteBuffer.allocateDirect(BUFFER_BYTES);
  private long expected = -1;
  private long lost;
  private boolean closed;

  KernelLog(Source source) {
    this.source = source;
  }

  /**
   * Opens the kernel's log. The native library has to be loaded.
   *
   * @throws IOException if it is not readable here; the message says why and what to do
   */
  public static KernelLog open() throws IOException {
    int fd = Linux.guard_open_log((FILE + "\0").getBytes(StandardCharsets.UTF_8));
    if (fd < 0) {
      throw new IOException("cannot read the kernel's log " + FILE + ": " + reason(-fd));
    }
    return new KernelLog(new Device(fd));
  }

  static String reason(int errno) {
    return switch (errno) {
      case Errno.ENOENT ->
          "it is not there, as in most containers; mount the host's /dev/kmsg into the container";
      case Errno.EPERM ->
          "the kernel refuses (EPERM); set sysctl kernel.dmesg_restrict=0, or give CAP_SYSLOG,"
              + " and in a container allow the device";
      case Errno.EACCES -> "this user may not read it (EACCES); give it the file's group";
      case Errno.ENODEV -> "it is another file (ENODEV); mount the host's /dev/kmsg there";
      default -> Errno.name(errno);
    };
  }

  /**
   * Returns what the kernel has written since the last call, a few thousand records at most. What
   * others wrote into its log is left out.
   *
   * @throws IOException if the log cannot be read any more
   */
  public List<LogRecord> poll() throws IOException {
    List<LogRecord> records = new ArrayList<>();
    for (int reads = 0; reads < MOST_AT_ONCE; reads++) {
      buffer.clear();
      int answer = source.read(buffer);
      if (answer == -Errno.EAGAIN || answer == 0) {
        break;
      }
      if (answer == -Errno.EPIPE && expected < 0) {
        lost++; // at least: of the first ones it is not known which they were
      }
      if (answer == -Errno.EPIPE || answer == -Errno.EINVAL || answer == -Errno.EINTR) {
        continue; // overwritten before we came, or too large: the next read gives the next record
      }
      if (answer < 0) {
        throw new IOException("reading " + FILE + " fails: " + reason(-answer));
      }
      LogRecord.parse(text(answer)).ifPresent(record -> take(record, records));
    }
    return records;
  }

  private void take(LogRecord record, List<LogRecord> records) {
    if (expected >= 0 && record.sequence() > expected) {
      lost += record.sequence() - expected;
    }
    expected = record.sequence() + 1;
    if (record.isFromKernel()) {
      records.add(record);
    }
  }

  private String text(int length) {
    byte[] bytes = new byte[length];
    buffer.get(0, bytes);
    return new String(bytes, StandardCharsets.UTF_8);
  }

  /** Returns how many records at least were overwritten before they could be read. */
  public long lost() {
    return lost;
  }

  @Override
  public void close() {
    if (!closed) { // the number of a closed descriptor may be another file's by now
      closed = true;
      source.close();
    }
  }

  /** Gives one record a read, or {@code -errno}. */
  interface Source {
    int read(ByteBuffer to);

    void close();
  }

  private record Device(int descriptor) implements Source {
    @Override
    public int read(ByteBuffer to) {
      return Linux.guard_read(descriptor, to, to.capacity());
    }

    @Override
    public void close() {
      Linux.guard_close(descriptor);
    }
  }
}
