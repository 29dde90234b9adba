package io.memguard.platform.procfs;

import io.memguard.platform.Linux;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Optional;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/**
 * Reads small files of {@code /proc} into one buffer, thousands a second: with the native library,
 * in one call each.
 *
 * <p>No file is kept open: thousands of descriptors would reach RLIMIT_NOFILE, and slow down all
 * who copy them to start a process.
 *
 * <p>Not safe to share between threads.
 */
class ProcFiles {
  private static final int LARGEST = 64 * 1024;
  private static final int LONGEST_PATH = 4096;

  private final Path root;
  private final boolean nativeCalls;
  private final byte[] uptime;
  private final ByteBuffer path = ByteBuffer.allocateDirect(LONGEST_PATH);
  private final ByteBuffer content =
      ByteBuffer.allocateDirect(LARGEST).order(ByteOrder.nativeOrder());
  private final long pathAddress;
  private final long contentAddress;
  private final byte[] bytes = new byte[LARGEST];
  private int length;

  /**
   * Reads below a root.
   *
   * @param nativeCalls whether the native library is loaded, and to be used
   */
  ProcFiles(Path root, boolean nativeCalls) {
    this.root = root;
    this.nativeCalls = nativeCalls;
    this.uptime = name("uptime");
    this.pathAddress = nativeCalls ? Linux.address(path) : 0;
    this.contentAddress = nativeCalls ? Linux.address(content) : 0;
  }

  /** Tells whether the native library may be asked. */
  boolean nativeCalls() {
    return nativeCalls;
  }

  Path root() {
    return root;
  }

  /** Returns the name of a file below the root as {@link #read} takes it. */
  byte[] name(String file) {
    return (root + "/" + file + "\0").getBytes(StandardCharsets.UTF_8);
  }

  /**
   * Reads a file, or as much of it as the buffer holds.
   *
   * @return whether it could be read; a process that has ended has none
   */
  boolean read(byte[] file) {
    length = nativeCalls ? readInOneCall(file) : readPlainly(file);
    return length >= 0;
  }

  private int readInOneCall(byte[] file) {
    int answer = Linux.guard_read_file(address(file), contentAddress, LARGEST);
    if (answer > 0) {
      content.get(0, bytes, 0, answer);
    }
    return answer;
  }

  /** Puts a file's name where native code can read it, until the next call. */
  long address(byte[] file) {
    path.clear().put(file);
    return pathAddress;
  }

  private int readPlainly(byte[] file) {
    String name = new String(file, 0, file.length - 1, StandardCharsets.UTF_8);
    try (InputStream in = new FileInputStream(name)) {
      return in.readNBytes(bytes, 0, LARGEST);
    } catch (IOException e) {
      return -1;
    }
  }

  /** Returns the text of a file, or empty if it cannot be read or is empty; of 64 KiB at most. */
  Optional<String> text(byte[] file) {
    return read(file) && length > 0
        ? Optional.of(new String(bytes, 0, length, StandardCharsets.ISO_8859_1))
        : Optional.empty();
  }

  /** Returns the text of a file of any size, or empty if it cannot be read or is empty. */
  Optional<String> whole(String file) {
    try {
      String text = Files.readString(root.resolve(file), StandardCharsets.ISO_8859_1);
      return text.isEmpty() ? Optional.empty() : Optional.of(text);
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  /** Returns the names in a directory below the root that are numbers; none if it is gone. */
  LongStream numbers(String directory) {
    if (nativeCalls) {
      int most = LARGEST / Long.BYTES;
      int count = Linux.guard_numbers(address(name(directory)), contentAddress, most);
      if (count < most) { // else there may be more
        long[] numbers = new long[Math.max(0, count)];
        content.asLongBuffer().get(numbers);
        return LongStream.of(numbers);
      }
    }
    String[] names = root.resolve(directory).toFile().list();
    return names == null
        ? LongStream.empty()
        : Arrays.stream(names)
            .filter(name -> Character.isDigit(name.charAt(0)))
            .mapToLong(Long::parseLong);
  }

  /**
   * Returns the seconds since the kernel was started, as the start times of processes count them,
   * or 0.
   */
  double uptime() {
    return text(uptime)
        .map(text -> Double.parseDouble(text.substring(0, text.indexOf(' '))))
        .orElse(0.0);
  }

  /** Returns what a process's or thread's {@code stat} says, or null if there is no such one. */
  @Nullable ProcessStat stat(byte[] file) {
    return read(file) ? ProcessStat.parse(bytes, length) : null;
  }
}
