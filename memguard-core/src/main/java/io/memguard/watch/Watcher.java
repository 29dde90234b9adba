package io.memguard.watch;

import io.memguard.outcome.Signal;
import io.memguard.outcome.WaitStatus;
import io.memguard.platform.Errno;
import io.memguard.platform.Linux;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The event loop: one daemon thread and one epoll for all children of a guard.
 *
 * <p>Callbacks must not wait for anything. They run on that thread, but for those of a child that
 * ends before it is watched, or whose end a thread {@linkplain ExitWatch#await awaits}. Safe to
 * share between threads.
 */
public final class Watcher implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Watcher.class);
  private static final int BATCH = 64;
  private static final int EVENT_BYTES = 16;
  private static final int SCRATCH_BYTES = 64 * 1024;
  private static final int EXIT_BYTES = 32;
  private static final int CLD_EXITED = 1;
  private static final int CLD_DUMPED = 3;
  private static final long WAKE_KEY = 0;
  private static final int FOR_EVER = -1;
  private static final long TRACED_NANOS = 1_000_000;
  private static final int PROBE_DEPTH = 600;

  private final int epoll;
  private final int wakeUp;
  private final Map<Long, Runnable> handlers = new ConcurrentHashMap<>();
  private final AtomicLong lastKey = new AtomicLong(WAKE_KEY);
  private final ByteBuffer events =
      ByteBuffer.allocateDirect(BATCH * EVENT_BYTES).order(ByteOrder.nativeOrder());
  private final long eventsAddress = Linux.address(events);
  private final ByteBuffer scratch = ByteBuffer.allocateDirect(SCRATCH_BYTES);
  private final Thread thread;
  private final Object lifecycle = new Object();
  private volatile boolean closing;
  private boolean closed;

  /**
   * How a child ended, as the kernel tells it.
   *
   * @param status the true wait status
   * @param userMicros microseconds on the CPU in user mode
   * @param systemMicros microseconds on the CPU in the kernel
   * @param peakRssBytes as {@code ru_maxrss} has it: at least the parent's at launch
   */
  public record Exit(WaitStatus status, long userMicros, long systemMicros, long peakRssBytes) {}

  /**
   * Starts the loop.
   *
   * @throws IOException if the kernel has no descriptor left
   */
  public Watcher() throws IOException {
    epoll = checked("epoll_create1", Linux.guard_epoll_create());
    wakeUp = Linux.guard_eventfd();
    try {
      checked("eventfd2", wakeUp);
      checked(
          "epoll_ctl",
          Linux.guard_epoll_ctl(epoll, Linux.EPOLL_CTL_ADD, wakeUp, Linux.EPOLLIN, WAKE_KEY));
    } catch (IOException e) {
      Linux.guard_close(wakeUp);
      Linux.guard_close(epoll);
      throw e;
    }
    thread = new Thread(this::loop, "memguard-watcher");
    thread.setDaemon(true);
    thread.start();
  }

  /**
   * Reaps a child when it ends, and then calls back. A short-lived one may have ended before its
   * launch was over: then that is done at once, by the calling thread.
   *
   * @param pidfd the child; the caller closes it, after it was called back
   * @param callback gets how it ended; must not block
   * @return the watch
   * @throws IOException if the kernel refuses to watch another one
   */
  public ExitWatch watchExit(int pidfd, Consumer<Exit> callback) throws IOException {
    ExitWatch watch = new ExitWatch(pidfd, callback);
    if (!watch.end()) {
      watch.taken.set(false);
      watch(watch.key, pidfd, Linux.EPOLLIN, watch::signalled);
    }
    return watch;
  }

  /**
   * A child that will be reaped once, by whoever has the right to: the loop, or a thread that waits
   * for this child and nothing else.
   */
  public final class ExitWatch {
    private final long key = lastKey.incrementAndGet();
    private final int pidfd;
    private final Consumer<Exit> callback;
    private final AtomicBoolean taken = new AtomicBoolean(true); // by the thread that launched it

    /** Only whoever has taken the right may look. */
    private boolean reaped;

    private ExitWatch(int pidfd, Consumer<Exit> callback) {
      this.pidfd = pidfd;
      this.callback = callback;
    }

    /**
     * Waits in the kernel until the child ends, and reaps it, on the calling thread: the loop need
     * not be woken, to wake this one. That costs the thread that it cannot be interrupted
     * meanwhile.
     *
     * @param nanos how long at most; afterwards the loop watches again
     */
    public void await(long nanos) {
      if (!taken.compareAndSet(false, true)) {
        return; // it is being reaped, or another thread waits like this
      }
      try {
        Linux.guard_await(epoll, pidfd, nanos, key);
        if (hasRoomOnTheStack()) { // what follows must not end half-way
          end();
        }
      } catch (RuntimeException | Error e) { // as the loop does
        report(e);
      } finally {
        if (!reaped) { // else the descriptor may be another file's by now
          watchAgain();
          taken.set(false);
        }
      }
    }

    private static boolean hasRoomOnTheStack() {
      try {
        return deeper(PROBE_DEPTH, 0, 0, 0, 0) == 0;
      } catch (StackOverflowError e) {
        return false; // the loop's own stack has
      }
    }

    /** Uses up some 50 KiB, and about a microsecond. */
    private static long deeper(int depth, long a, long b, long c, long d) {
      return depth == 0 ? a ^ b ^ c ^ d : deeper(depth - 1, b, c, d, a) + (a ^ d);
    }

    private void watchAgain() {
      if (Linux.guard_epoll_ctl(epoll, Linux.EPOLL_CTL_MOD, pidfd, Linux.EPOLLIN, key) < 0) {
        Linux.guard_epoll_ctl(epoll, Linux.EPOLL_CTL_ADD, pidfd, Linux.EPOLLIN, key);
      }
    }

    private void signalled() {
      if (!taken.compareAndSet(false, true)) {
        return;
      }
      try {
        if (!end()) {
          LockSupport.parkNanos(TRACED_NANOS); // a debugger holds it, and epoll reports it again
        }
      } finally { // there may have been no memory for the answer
        if (!reaped) {
          taken.set(false);
        }
      }
    }

    private boolean end() {
      Exit exit = reap(pidfd);
      if (exit == null) {
        return false;
      }
      reaped = true;
      handlers.remove(key);
      callback.accept(exit);
      return true;
    }
  }

  /**
   * Calls back when a descriptor can be read.
   *
   * @param fd the descriptor
   * @param handler must take what there is, or {@link #forget} it, else it is called again at once
   * @return what names the registration
   * @throws IOException if the kernel refuses to watch another one
   */
  long watchReadable(int fd, Runnable handler) throws IOException {
    return watch(lastKey.incrementAndGet(), fd, Linux.EPOLLIN, handler);
  }

  /**
   * Calls back each time that a descriptor has something urgent to tell. There is nothing to take;
   * a descriptor whose file is gone calls back once, and not for ever.
   *
   * @param fd the descriptor
   * @param handler must not block
   * @return what names the registration
   * @throws IOException if the kernel refuses to watch another one
   */
  long watchUrgent(int fd, Runnable handler) throws IOException {
    return watch(lastKey.incrementAndGet(), fd, Linux.EPOLLPRI | Linux.EPOLLET, handler);
  }

  /**
   * Calls back once, when a descriptor can be read or written.
   *
   * @param fd the descriptor
   * @param events {@link Linux#EPOLLIN} or {@link Linux#EPOLLOUT}
   * @param handler must not block
   * @return what names the registration, for {@link #rearm}
   * @throws IOException if the kernel refuses to watch another one
   */
  long watchOnce(int fd, int events, Runnable handler) throws IOException {
    return watch(lastKey.incrementAndGet(), fd, events | Linux.EPOLLONESHOT, handler);
  }

  void rearm(long key, int fd, int events) {
    Linux.guard_epoll_ctl(epoll, Linux.EPOLL_CTL_MOD, fd, events | Linux.EPOLLONESHOT, key);
  }

  void forget(long key, int fd) {
    if (handlers.remove(key) != null) {
      Linux.guard_epoll_ctl(epoll, Linux.EPOLL_CTL_DEL, fd, 0, key);
    }
  }

  private long watch(long key, int fd, int events, Runnable handler) throws IOException {
    handlers.put(key, handler);
    try {
      checked("epoll_ctl", Linux.guard_epoll_ctl(epoll, Linux.EPOLL_CTL_ADD, fd, events, key));
    } catch (IOException e) {
      handlers.remove(key);
      throw e;
    }
    return key;
  }

  /** Returns a buffer for use within one callback on the watcher's own thread, empty. */
  ByteBuffer scratch() {
    return scratch.clear();
  }

  /** Ends the loop; what is still registered is not called any more. */
  @Override
  public void close() {
    synchronized (lifecycle) {
      closing = true;
      wake();
    }
  }

  private void wake() {
    synchronized (lifecycle) {
      if (!closed) {
        Linux.guard_write(
            wakeUp, ByteBuffer.allocateDirect(Long.BYTES).put(0, (byte) 1), Long.BYTES);
      }
    }
  }

  private void loop() {
    try {
      while (!closing) {
        turn();
      }
    } finally {
      synchronized (lifecycle) {
        closed = true; // nobody writes to the descriptors any more
        Linux.guard_close(wakeUp);
        Linux.guard_close(epoll);
      }
    }
  }

  /** Nothing may end the loop: not even a heap that is full, which is no fault of the children. */
  private void turn() {
    try {
      int count = Linux.guard_epoll_wait(epoll, eventsAddress, BATCH, FOR_EVER);
      if (count < 0) {
        closing = true; // the descriptor is not ours any more; Linux has no other reason
      }
      for (int i = 0; i < count; i++) {
        dispatch(events.getLong(i * EVENT_BYTES));
      }
    } catch (RuntimeException | Error e) {
      report(e);
    }
  }

  private void dispatch(long key) {
    if (key == WAKE_KEY) {
      Linux.guard_read(wakeUp, scratch(), Long.BYTES);
      return;
    }
    Runnable handler = handlers.get(key);
    if (handler != null) { // else it was forgotten after the kernel had reported it
      try {
        handler.run();
      } catch (RuntimeException | Error e) { // one child's trouble is not the others'
        report(e);
      }
    }
  }

  private static void report(Throwable trouble) {
    try {
      LOG.error("A callback failed on the watcher's thread", trouble);
    } catch (RuntimeException | Error e) {
      // there may be no memory to say so; the watch goes on all the same
    }
  }

  /**
   * Returns how a child ended, or null if it has not. The memory for the kernel's answer is taken
   * before the kernel forgets the child.
   */
  private @Nullable Exit reap(int pidfd) {
    byte[] answer = new byte[EXIT_BYTES];
    ByteBuffer exit = ByteBuffer.wrap(answer).order(ByteOrder.nativeOrder());
    int reaped = Linux.guard_reap(epoll, pidfd, answer);
    if (reaped == 0) {
      return null;
    }
    return reaped < 0
        ? new Exit(lost(reaped), 0, 0, 0)
        : new Exit(
            status(exit.getInt(0), exit.getInt(4)),
            exit.getLong(8),
            exit.getLong(16),
            exit.getLong(24) * 1024);
  }

  private static WaitStatus status(int code, int status) {
    return code == CLD_EXITED
        ? new WaitStatus.Exit(status)
        : new WaitStatus.Kill(new Signal(status), code == CLD_DUMPED);
  }

  /**
   * Somebody else in this process waited for all its children, ours too, and threw the answer away.
   */
  private static WaitStatus lost(int answer) {
    LOG.error(
        "The exit status of a child is lost ({}): other code in this process reaps children it did not start",
        Errno.name(-answer));
    return new WaitStatus.Exit(255);
  }

  static int checked(String call, int answer) throws IOException {
    if (answer < 0) {
      throw new IOException(call + " failed: " + Errno.name(-answer));
    }
    return answer;
  }
}
