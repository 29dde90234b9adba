package io.memguard.platform.procfs;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;

/** The size of a page, which {@code /proc} counts in. */
public final class PageSize {
  /** In bytes. */
  public static final long BYTES = read();

  private static final long USUAL = 4096;

  /** {@code AT_PAGESZ}: see getauxval(3). */
  private static final long AT_PAGESZ = 6;

  private PageSize() {}

  private static long read() {
    try {
      ByteBuffer words =
          ByteBuffer.wrap(Files.readAllBytes(Path.of("/proc/self/auxv")))
              .order(ByteOrder.nativeOrder());
      while (words.remaining() >= 2 * Long.BYTES) {
        long type = words.getLong();
        long value = words.getLong();
        if (type == AT_PAGESZ) {
          return value;
        }
      }
    } catch (IOException e) {
      // then it is most likely the usual one
    }
    return USUAL;
  }
}
