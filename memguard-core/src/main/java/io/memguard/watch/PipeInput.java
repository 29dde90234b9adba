package io.memguard.watch;

import io.memguard.platform.Errno;
import io.memguard.platform.Linux;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.util.Objects;

/**
 * What a child writes to stdout or stderr, to be read by the caller. Its last part is kept as
 * evidence.
 *
 * <p>When the child has ended, what it wrote stays readable; what a grandchild writes afterwards
 * does not come any more, and nobody waits for it. Safe to share between threads.
 */
public final class PipeInput extends InputStream {
  private static final int BUFFER = 16 * 1024;

  private final PipeEnd pipe;
  private final Tail tail;
  private ByteBuffer buffer = ByteBuffer.allocate(0);
  private boolean closed;

  /** Takes over the descriptor. */
  public PipeInput(Watcher watcher, int fd, Tail tail) {
    this.pipe = new PipeEnd(watcher, fd, Linux.EPOLLIN);
    this.tail = tail;
  }

  /** Takes what is left in the pipe and closes it, so that no descriptor outlives the child. */
  public void childEnded() {
    pipe.lock.lock();
    try {
      if (!pipe.isClosed()) {
        keep(Math.max(0, Linux.guard_available(pipe.fd())));
        pipe.close();
      }
    } finally {
      pipe.lock.unlock();
    }
  }

  /** Moves what a reader has not taken yet, and what is in the pipe, into one buffer. */
  private void keep(int available) {
    if (available == 0) {
      return;
    }
    byte[] rest = new byte[available]; // the heap's: direct memory may be used up by others
    int count = Linux.guard_read(pipe.fd(), rest, available);
    if (count > 0) {
      tail.append(ByteBuffer.wrap(rest, 0, count));
      ByteBuffer all = ByteBuffer.allocate(buffer.remaining() + count);
      buffer = all.put(buffer).put(rest, 0, count).flip();
    }
  }

  @Override
  public int read() throws IOException {
    byte[] one = new byte[1];
    return read(one, 0, 1) < 0 ? -1 : one[0] & 0xff;
  }

  @Override
  public int read(byte[] to, int offset, int length) throws IOException {
    Objects.checkFromIndexSize(offset, length, to.length);
    if (length == 0) {
      return 0;
    }
    pipe.lock.lock();
    try {
      if (!fill()) {
        return -1;
      }
      int count = Math.min(length, buffer.remaining());
      buffer.get(to, offset, count);
      return count;
    } finally {
      pipe.lock.unlock();
    }
  }

  /** Waits until there is something to read, and returns false at the end of it. */
  private boolean fill() throws IOException {
    while (true) {
      if (closed) {
        throw new IOException("Stream closed");
      }
      if (buffer.hasRemaining()) {
        return true;
      }
      if (pipe.isClosed()) {
        return false;
      }
      if (!buffer.isDirect() || buffer.capacity() != BUFFER) {
        buffer = ByteBuffer.allocateDirect(BUFFER);
      }
      buffer.clear(); // JNA hands the address of its position to the kernel
      int count = Linux.guard_read(pipe.fd(), buffer, BUFFER);
      buffer.limit(Math.max(0, count));
      if (count > 0) {
        tail.append(buffer);
      } else if (count == 0) {
        pipe.close();
      } else if (count == -Errno.EAGAIN) {
        pipe.await();
      } else {
        throw new IOException("cannot read from the child: " + Errno.name(-count));
      }
    }
  }

  @Override
  public int available() throws IOException {
    pipe.lock.lock();
    try {
      if (closed) {
        throw new IOException("Stream closed");
      }
      int inPipe = pipe.isClosed() ? 0 : Math.max(0, Linux.guard_available(pipe.fd()));
      return buffer.remaining() + inPipe;
    } finally {
      pipe.lock.unlock();
    }
  }

  @Override
  public void close() {
    pipe.lock.lock();
    try {
      closed = true;
      pipe.close();
    } finally {
      pipe.lock.unlock();
    }
  }
}
