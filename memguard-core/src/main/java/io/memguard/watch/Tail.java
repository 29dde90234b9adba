package io.memguard.watch;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * The last few KiB of a stream, kept as evidence while the caller reads it, or while nobody does.
 *
 * <p>Safe to share between threads.
 */
public final class Tail {
  private static final int FIRST = 256;

  private final int capacity;
  private byte[] ring;
  private int start;
  private int length;

  /**
   * Begins with nothing.
   *
   * @param capacity how much is kept, in bytes
   */
  public Tail(int capacity) {
    this.capacity = capacity;
    this.ring = new byte[Math.min(capacity, FIRST)];
  }

  /** Adds the bytes between the buffer's position and limit, which stay as they are. */
  synchronized void append(ByteBuffer bytes) {
    int count = Math.min(bytes.remaining(), capacity);
    grow(length + count);
    for (int i = bytes.limit() - count; i < bytes.limit(); i++) {
      ring[(start + length) % ring.length] = bytes.get(i);
      if (length < ring.length) {
        length++;
      } else {
        start = (start + 1) % ring.length;
      }
    }
  }

  /** Until it is full, the ring begins at 0 and can simply be made larger. */
  private void grow(int wanted) {
    if (wanted > ring.length && ring.length < capacity) {
      byte[] larger = new byte[Math.min(capacity, Math.max(wanted, ring.length * 4))];
      System.arraycopy(ring, 0, larger, 0, length);
      ring = larger;
    }
  }

  /** Returns the text; what is not UTF-8 in it is replaced. */
  public synchronized String text() {
    byte[] straight = new byte[length];
    for (int i = 0; i < length; i++) {
      straight[i] = ring[(start + i) % ring.length];
    }
    return new String(straight, StandardCharsets.UTF_8);
  }
}
