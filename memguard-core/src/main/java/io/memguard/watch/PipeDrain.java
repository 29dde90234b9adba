package io.memguard.watch;

import io.memguard.platform.Errno;
import io.memguard.platform.Linux;
import java.io.IOException;
import java.nio.ByteBuffer;

/**
 * A pipe nobody reads: the watcher empties it, so that the child does not stop when it is full, and
 * keeps the last part as evidence.
 *
 * <p>It is emptied on the watcher's thread; {@link #childEnded} may be called on another one.
 */
public final class PipeDrain {
  private final Watcher watcher;
  private final int fd;
  private final Tail tail;
  private long key;
  private boolean closed;

  /**
   * Takes over the descriptor.
   *
   * @throws IOException if the kernel refuses to watch another one; the descriptor is closed then
   */
  public PipeDrain(Watcher watcher, int fd, Tail tail) throws IOException {
    this.watcher = watcher;
    this.fd = fd;
    this.tail = tail;
    synchronized (this) { // the first event may come before the registration is known here
      try {
        this.key = watcher.watchReadable(fd, this::drainOnce);
      } catch (IOException | RuntimeException | Error e) {
        Linux.guard_close(fd);
        throw e;
      }
    }
  }

  /** Takes what is left, and closes the pipe. */
  public synchronized void childEnded() {
    try {
      int left = closed ? 0 : Linux.guard_available(fd);
      if (left > 0) {
        byte[] rest = new byte[left]; // the watcher's buffer is for its own thread
        int count = Linux.guard_read(fd, rest, left);
        tail.append(ByteBuffer.wrap(rest, 0, Math.max(count, 0)));
      }
    } finally {
      close();
    }
  }

  /**
   * One buffer a turn: a child that floods its output does not keep the watcher from the others.
   */
  private synchronized void drainOnce() {
    if (closed) {
      return;
    }
    ByteBuffer buffer = watcher.scratch();
    int count = Linux.guard_read(fd, buffer, buffer.capacity());
    if (count > 0) {
      tail.append(buffer.limit(count));
    } else if (count != -Errno.EAGAIN) {
      close();
    }
  }

  private void close() {
    if (!closed) {
      closed = true;
      watcher.forget(key, fd);
      Linux.guard_close(fd);
    }
  }
}
