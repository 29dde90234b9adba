package io.memguard.watch;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.function.BooleanSupplier;

/**
 * Keeps the last part of what a caller reads from a pipe of the JDK's.
 *
 * <p>When the child has ended, what it wrote is in the pipe, and a grandchild that still holds the
 * other end is not waited for. The JDK sees to that too, but only a moment after it has said that
 * the child ended: whoever reads in that moment would wait for as long as the grandchild lives.
 */
public final class TailInput extends FilterInputStream {
  private final Tail tail;
  private final BooleanSupplier ended;

  /**
   * Reads from a stream into a tail, besides to the caller.
   *
   * @param in the parent's end of a pipe
   * @param tail what keeps the last part
   * @param ended tells whether the child has ended
   */
  public TailInput(InputStream in, Tail tail, BooleanSupplier ended) {
    super(in);
    this.tail = tail;
    this.ended = ended;
  }

  @Override
  public int read() throws IOException {
    byte[] one = new byte[1];
    return read(one, 0, 1) < 0 ? -1 : Byte.toUnsignedInt(one[0]);
  }

  @Override
  public int read(byte[] to, int offset, int length) throws IOException {
    int allowed = ended.getAsBoolean() ? Math.min(length, available()) : length;
    if (allowed == 0 && length > 0) {
      return -1;
    }
    int count = super.read(to, offset, allowed);
    if (count > 0) {
      tail.append(ByteBuffer.wrap(to, offset, count));
    }
    return count;
  }
}
