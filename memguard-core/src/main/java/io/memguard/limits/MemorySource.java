package io.memguard.limits;

import java.time.Duration;
import java.util.concurrent.CancellationException;
import java.util.concurrent.TimeoutException;

/**
 * Memory that children share. A launch takes what its limit is from it before anything is made, and
 * gives it back when the child is gone: see {@link LaunchOptions#withBudget}. {@code
 * io.memguard.recover.MemoryBudget} is the one that memguard has.
 *
 * <p>Implementations are safe to share between threads, and run no foreign code on the thread that
 * gives memory back: it may be the one that watches all children.
 */
public interface MemorySource {
  /**
   * Asks for memory. What is free is given at once; else the request waits until it is withdrawn,
   * also if nobody waits for it.
   *
   * @param bytes 1 or more
   * @return the request
   * @throws IllegalArgumentException if it is less than 1, or more than there will ever be
   */
  Request request(long bytes);

  /** Memory that was asked for. Safe to share between threads. */
  interface Request {
    /**
     * Waits for the memory. If that ends with an exception, the request is withdrawn and nothing is
     * held.
     *
     * @param atMost how long; zero or less fails at once if it is not there
     * @return what was asked for; the same, however often this is called
     * @throws InterruptedException if this thread was interrupted while it waited
     * @throws TimeoutException if it was not to be had in that time; the message says what was free
     * @throws CancellationException if it was withdrawn
     */
    Reservation await(Duration atMost) throws InterruptedException, TimeoutException;

    /**
     * Withdraws the request, unless the memory was given already. Whoever waits gets a {@link
     * CancellationException}.
     *
     * @return true if it was still waiting; false if it was withdrawn before, or was given, and
     *     then {@link #await} returns what is to be closed
     */
    boolean withdraw();
  }

  /** Memory that was given. Safe to share between threads. */
  interface Reservation extends AutoCloseable {
    /**
     * Returns how much it is.
     *
     * @return bytes, 1 or more
     */
    long bytes();

    /** Gives it back; only the first call has an effect. */
    @Override
    void close();
  }
}
