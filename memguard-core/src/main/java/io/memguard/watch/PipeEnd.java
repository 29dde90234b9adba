package io.memguard.watch;

import io.memguard.platform.Linux;
import java.io.IOException;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;

/**
 * The parent's end of a pipe to a child. The descriptor does not block: whoever has to wait, waits
 * on a condition that the watcher signals, so that a virtual thread is not pinned, and so that the
 * child's end wakes a reader even when a grandchild holds the pipe open.
 *
 * <p>The lock is never held while waiting for the kernel.
 */
final class PipeEnd {
  private static final int CLOSED = -1;
  private static final long UNWATCHED = -1;

  final ReentrantLock lock = new ReentrantLock();
  private final Condition ready = lock.newCondition();
  private final Watcher watcher;
  private final int events;
  private int fd;
  private long key = UNWATCHED;

  PipeEnd(Watcher watcher, int fd, int events) {
    this.watcher = watcher;
    this.fd = fd;
    this.events = events;
  }

  /** Returns the descriptor; the caller holds the lock. */
  int fd() {
    return fd;
  }

  boolean isClosed() {
    return fd == CLOSED;
  }

  /**
   * Waits, without the lock meanwhile, until the pipe can be used, or somebody calls {@link
   * #wakeAll}.
   *
   * @throws IOException if the kernel refuses to watch another descriptor
   */
  @SuppressWarnings("WaitNotInLoop") // the callers loop: they try the pipe again
  void await() throws IOException {
    if (key == UNWATCHED) {
      key = watcher.watchOnce(fd, events, this::wakeAll);
    } else {
      watcher.rearm(key, fd, events);
    }
    ready.awaitUninterruptibly();
  }

  void wakeAll() {
    lock.lock();
    try {
      ready.signalAll();
    } finally {
      lock.unlock();
    }
  }

  void close() {
    lock.lock();
    try {
      if (fd != CLOSED) {
        if (key != UNWATCHED) {
          watcher.forget(key, fd);
        }
        Linux.guard_close(fd);
        fd = CLOSED;
        ready.signalAll();
      }
    } finally {
      lock.unlock();
    }
  }
}
