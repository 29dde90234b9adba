package io.memguard.watch;

import io.memguard.platform.Errno;
import io.memguard.platform.Linux;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.util.Objects;

/**
 * What the caller writes to a child's stdin. It waits while the child does not read, and fails once
 * the child has ended or closed its end.
 *
 * <p>Safe to share between threads.
 */
public final class PipeOutput extends OutputStream {
  private static final int CHUNK = 16 * 1024;

  private final PipeEnd pipe;
  private boolean childEnded;

  /** Takes over the descriptor. */
  public PipeOutput(Watcher watcher, int fd) {
    this.pipe = new PipeEnd(watcher, fd, Linux.EPOLLOUT);
  }

  /** Closes the pipe: nobody is left to read. */
  public void childEnded() {
    pipe.lock.lock();
    try {
      childEnded = true;
      pipe.close();
    } finally {
      pipe.lock.unlock();
    }
  }

  @Override
  public void write(int b) throws IOException {
    write(new byte[] {(byte) b}, 0, 1);
  }

  @Override
  public void write(byte[] from, int offset, int length) throws IOException {
    Objects.checkFromIndexSize(offset, length, from.length);
    ByteBuffer chunk = ByteBuffer.allocateDirect(Math.min(CHUNK, length));
    for (int at = 0; at < length; ) {
      int count = Math.min(CHUNK, length - at);
      chunk.clear().put(from, offset + at, count).flip();
      writeAll(chunk);
      at += count;
    }
  }

  private void writeAll(ByteBuffer chunk) throws IOException {
    pipe.lock.lock();
    try {
      while (chunk.hasRemaining()) {
        if (pipe.isClosed()) {
          throw new IOException(childEnded ? "Broken pipe: the child has ended" : "Stream closed");
        }
        int count = Linux.guard_write(pipe.fd(), chunk.slice(), chunk.remaining());
        if (count > 0) {
          chunk.position(chunk.position() + count);
        } else if (count == -Errno.EAGAIN) {
          pipe.await();
        } else {
          throw new IOException(
              count == -Errno.EPIPE
                  ? "Broken pipe"
                  : "cannot write to the child: " + Errno.name(-count));
        }
      }
    } finally {
      pipe.lock.unlock();
    }
  }

  @Override
  public void close() {
    pipe.close();
  }
}
