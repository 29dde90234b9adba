package io.memguard.watch;

import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;

/** Keeps the last part of what a caller reads from a stream of the JDK's. */
public final class TailInput extends FilterInputStream {
  private final Tail tail;

  /** Reads from a stream into a tail, besides to the caller. */
  public TailInput(InputStream in, Tail tail) {
    super(in);
    this.tail = tail;
  }

  @Override
  public int read() throws IOException {
    int b = super.read();
    if (b >= 0) {
      tail.append(ByteBuffer.wrap(new byte[] {(byte) b}));
    }
    return b;
  }

  @Override
  public int read(byte[] to, int offset, int length) throws IOException {
    int count = super.read(to, offset, length);
    if (count > 0) {
      tail.append(ByteBuffer.wrap(to, offset, count));
    }
    return count;
  }
}
