package io.memguard;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one thread on which memguard looks at memory, {@code memguard-memory}, and when it does.
 *
 * <p>The thread is made by the first {@link #start}, ended by {@link #close}, and sleeps as long as
 * no client wants anything. Clients run on it and on no other thread, one after the other; it ends
 * them when it ends. Nothing of the users' runs on it: what listeners are told goes to {@link
 * MemoryEvents}.
 *
 * <p>Safe to share between threads.
 */
final class MemoryWatch implements AutoCloseable {
  /** What is done on the thread. */
  interface Client extends AutoCloseable {
    /** Not before a hint. */
    long NEVER = Long.MAX_VALUE;

    /**
     * Does once for nothing what is to be done when there is no time: to load the classes for it
     * takes a JVM up to hundreds of milliseconds. The first thing that happens on the thread.
     */
    void rehearse();

    /**
     * Looks, if it is time to: it may be called earlier than it has asked for.
     *
     * @param now as {@link System#nanoTime}
     * @return nanoseconds until it wants to be called again
     */
    long tick(long now);

    /** Frees what it holds; the last thing that happens on the thread, if there ever was one. */
    @Override
    void close();
  }

  private static final Logger LOG = LoggerFactory.getLogger(MemoryWatch.class);

  /** Times of {@link System#nanoTime} can be compared if they are less than 292 years apart. */
  private static final long LONGEST_NANOS = Long.MAX_VALUE / 2;

  /**
   * The fastest that memory was ever seen to be filled, in bytes a nanosecond: <a
   * href="https://github.com/rfjakob/earlyoom">earlyoom</a> counts with 6,000 MiB a second as well.
   */
  private static final double FILL_RATE = 6000.0 * (1 << 20) / TimeUnit.SECONDS.toNanos(1);

  private static final long AFTER_TROUBLE_NANOS = TimeUnit.SECONDS.toNanos(1);
  private static final long CLOSING_MILLIS = 1000;
  private static final long REHEARSAL_MILLIS = 2000;

  private final List<Client> clients = new CopyOnWriteArrayList<>();

  /** When the thread wakes by itself; while it is awake, what it has been asked for meanwhile. */
  private final AtomicLong wakesAt = new AtomicLong(System.nanoTime() + LONGEST_NANOS);

  private final CountDownLatch rehearsed = new CountDownLatch(1);
  private volatile @Nullable Thread thread;
  private volatile boolean closing;

  /** Returns how long it takes at least to fill so much memory, in nanoseconds. */
  static long nanosToFill(long bytes) {
    return (long) (bytes / FILL_RATE);
  }

  /** Gives the thread another thing to do; before it is started. */
  void add(Client client) {
    clients.add(client);
  }

  /**
   * Has the thread, from now on.
   *
   * @throws OutOfMemoryError if none is to be had; it can be tried again
   */
  void start() {
    if (thread == null) {
      startOnce();
    }
  }

  /** Waits until it is ready to act as fast as it can; not for ever. */
  void awaitRehearsal() {
    try {
      if (!rehearsed.await(REHEARSAL_MILLIS, TimeUnit.MILLISECONDS)) {
        LOG.debug("The first child is started although not all is ready to look after it");
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private synchronized void startOnce() {
    if (thread == null && !closing) {
      Thread made = new Thread(this::loop, "memguard-memory");
      made.setDaemon(true);
      made.start();
      thread = made;
      LockSupport.unpark(made); // whoever asked meanwhile did not know whom to wake
    }
  }

  /**
   * Has the clients called at some time at the latest. Without a lock, and if the thread wakes
   * early enough by itself, without a system call.
   *
   * @param time as {@link System#nanoTime}
   */
  void wakeBy(long time) {
    long planned = wakesAt.get();
    while (time - planned < 0) {
      if (wakesAt.compareAndSet(planned, time)) {
        LockSupport.unpark(thread);
        return;
      }
      planned = wakesAt.get();
    }
  }

  private void loop() {
    try {
      clients.forEach(this::rehearse);
      rehearsed.countDown();
      while (!closing) {
        // Whoever asks from here on is heard, either by the clients or below.
        wakesAt.set(System.nanoTime() + LONGEST_NANOS);
        long next = next();
        long time = wakesAt.accumulateAndGet(next, (a, b) -> a - b < 0 ? a : b);
        if (!closing) {
          LockSupport.parkNanos(this, time - System.nanoTime());
        }
      }
    } finally {
      clients.forEach(MemoryWatch::end);
    }
  }

  private long next() {
    long now = System.nanoTime();
    long next = now + LONGEST_NANOS;
    for (Client client : clients) {
      long nanos = Math.min(tick(client, System.nanoTime()), LONGEST_NANOS);
      long time = System.nanoTime() + nanos;
      next = time - next < 0 ? time : next;
    }
    return next;
  }

  /** Nothing may end the loop: not even a heap that is full. */
  private static long tick(Client client, long now) {
    try {
      return client.tick(now);
    } catch (RuntimeException | Error e) {
      report(e);
      return AFTER_TROUBLE_NANOS;
    }
  }

  private void rehearse(Client client) {
    try {
      if (!closing) { // else nobody is left to be ready for
        client.rehearse();
      }
    } catch (RuntimeException | Error e) {
      report(e);
    }
  }

  private static void end(Client client) {
    try {
      client.close();
    } catch (RuntimeException | Error e) {
      report(e);
    }
  }

  private static void report(Throwable trouble) {
    try {
      LOG.error("Looking at memory failed, and is tried again", trouble);
    } catch (RuntimeException | Error e) {
      // there may be no memory to say so; the looking goes on all the same
    }
  }

  /** Ends the thread, and waits for it; not for ever, since the kernel may let a reader wait. */
  @Override
  public synchronized void close() {
    closing = true;
    rehearsed.countDown();
    Thread started = thread;
    if (started == null) {
      clients.forEach(MemoryWatch::end);
      clients.clear();
      return;
    }
    LockSupport.unpark(started);
    try {
      started.join(CLOSING_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
