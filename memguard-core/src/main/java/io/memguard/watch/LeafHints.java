package io.memguard.watch;

import io.memguard.platform.Linux;
import io.memguard.platform.cgroup.CgroupV1;
import io.memguard.platform.cgroup.Leaf;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Tells, in the event loop, when something may have happened in a leaf. These are hints to look at
 * its counters: the kernel merges and delays them.
 *
 * <p>It owns one inotify descriptor, made for the first leaf of cgroup v2 and ended by {@link
 * #close}. Each {@link Hint} owns its inotify watch (v2) or its eventfd (v1), and the descriptor of
 * its pressure trigger; who asked for it closes it before the leaf is removed. Safe to share
 * between threads.
 */
public final class LeafHints implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(LeafHints.class);

  /** struct inotify_event without a name: watches of files have none. */
  private static final int EVENT_BYTES = 16;

  private static final int LENGTH_OFFSET = 12;

  /**
   * Some process waited for 0.3 of 2 seconds: since Linux 6.5 users without privilege may ask too,
   * for windows of 2 seconds and multiples.
   */
  private static final String PRESSURE = "some 300000 2000000";

  private final Watcher watcher;
  private final Map<Integer, Runnable> watches = new ConcurrentHashMap<>();
  private int inotify = -1;
  private long inotifyKey;

  /** What is owed to one leaf. */
  public interface Hint extends AutoCloseable {
    /** Ends it; when this returns, nobody is called back any more who was not already. */
    @Override
    void close();
  }

  public LeafHints(Watcher watcher) {
    this.watcher = watcher;
  }

  /**
   * Calls back when counters of a leaf may have risen, or its processes wait for memory.
   *
   * @param changed must not block
   * @param pressed likewise; never called where the kernel has no PSI, or does not let us ask
   * @throws IOException if the kernel refuses to watch another one
   */
  public Hint listen(Leaf leaf, Runnable changed, Runnable pressed) throws IOException {
    Path directory = leaf.directory();
    if (leaf.cgroup() instanceof CgroupV1) {
      return eventfd(directory, changed);
    }
    Hint counters = modified(directory.resolve("memory.events"), changed);
    try {
      Hint pressure = pressure(directory.resolve("memory.pressure"), pressed);
      return () -> {
        counters.close();
        pressure.close();
      };
    } catch (IOException e) {
      LOG.debug("Nobody will say when {} is short of memory: {}", directory, e.getMessage());
      return counters;
    } catch (RuntimeException | Error e) {
      counters.close();
      throw e;
    }
  }

  /**
   * Calls back when a file of cgroupfs was modified, as far as the kernel tells: of v2, {@code
   * memory.events} and {@code cgroup.events}.
   *
   * @param changed must not block
   * @throws IOException if the kernel refuses to watch another one
   */
  public synchronized Hint modified(Path file, Runnable changed) throws IOException {
    if (inotify < 0) {
      int fd = Watcher.checked("inotify_init1", Linux.guard_inotify());
      try {
        inotifyKey = watcher.watchReadable(fd, this::readInotify);
        inotify = fd;
      } finally {
        closeUnless(inotify == fd, fd);
      }
    }
    int watch = Watcher.checked("inotify_add_watch", Linux.guard_inotify_add(inotify, text(file)));
    watches.put(watch, changed);
    return () -> forget(watch);
  }

  private synchronized void forget(int watch) {
    if (watches.remove(watch) != null && inotify >= 0) {
      Linux.guard_inotify_remove(inotify, watch);
    }
  }

  private synchronized void readInotify() {
    ByteBuffer events = watcher.scratch().order(ByteOrder.nativeOrder());
    int length = inotify < 0 ? 0 : Linux.guard_read(inotify, events, events.capacity());
    for (int at = 0; at < length; at += EVENT_BYTES + events.getInt(at + LENGTH_OFFSET)) {
      int watch = events.getInt(at);
      if (watch < 0) {
        watches.values().forEach(Runnable::run); // the kernel's queue was full: any may be meant
      } else {
        watches.getOrDefault(watch, () -> {}).run();
      }
    }
  }

  /** See the kernel's Documentation/admin-guide/cgroup-v1/memory.rst, "OOM Control". */
  private Hint eventfd(Path directory, Runnable changed) throws IOException {
    int eventfd = Watcher.checked("eventfd2", Linux.guard_eventfd());
    boolean registered = false;
    try {
      register(directory, eventfd);
      Descriptor descriptor = new Descriptor(eventfd);
      descriptor.key =
          watcher.watchReadable(
              eventfd,
              () -> {
                descriptor.empty();
                changed.run();
              });
      registered = true;
      return descriptor;
    } finally {
      closeUnless(registered, eventfd);
    }
  }

  private static void register(Path directory, int eventfd) throws IOException {
    int control =
        Watcher.checked("open", Linux.guard_open(text(directory.resolve("memory.oom_control")), 0));
    try {
      Files.writeString(
          directory.resolve("cgroup.event_control"),
          eventfd + " " + control,
          StandardOpenOption.WRITE); // and never made: cgroups may have been unmounted
    } finally {
      Linux.guard_close(control); // the kernel has the cgroup itself by now
    }
  }

  /** See the kernel's Documentation/accounting/psi.rst. */
  private Hint pressure(Path file, Runnable pressed) throws IOException {
    int fd = Watcher.checked("open", Linux.guard_open(text(file), 1));
    boolean registered = false;
    try {
      byte[] trigger = text(PRESSURE);
      ByteBuffer from = ByteBuffer.allocateDirect(trigger.length).put(0, trigger);
      Watcher.checked("write", Linux.guard_write(fd, from, trigger.length));
      Descriptor descriptor = new Descriptor(fd);
      descriptor.key = watcher.watchUrgent(fd, pressed);
      registered = true;
      return descriptor;
    } finally {
      closeUnless(registered, fd);
    }
  }

  /** A descriptor of one leaf's own. */
  private final class Descriptor implements Hint {
    private final int fd;
    private long key;
    private boolean closed;

    Descriptor(int fd) {
      this.fd = fd;
    }

    /** A closed descriptor's number may be another file's by now: nothing is read from it. */
    synchronized void empty() {
      if (!closed) {
        Linux.guard_read(fd, watcher.scratch(), Long.BYTES);
      }
    }

    @Override
    public synchronized void close() {
      if (!closed) {
        closed = true;
        watcher.forget(key, fd);
        Linux.guard_close(fd);
      }
    }
  }

  @Override
  public synchronized void close() {
    if (inotify >= 0) {
      watcher.forget(inotifyKey, inotify);
      Linux.guard_close(inotify);
      inotify = -1;
    }
  }

  private static void closeUnless(boolean kept, int fd) {
    if (!kept) {
      Linux.guard_close(fd);
    }
  }

  private static byte[] text(Object value) {
    return (value + "\0").getBytes(StandardCharsets.UTF_8);
  }
}
