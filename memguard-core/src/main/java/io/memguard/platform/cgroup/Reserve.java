package io.memguard.platform.cgroup;

/**
 * What is to be kept free below a limit. What a child can fill until it is stopped depends on how
 * fast it fills, and not on the limit; but in a small container, to keep that much free at all
 * times would cost those who fill slowly a large part of it. So there it is kept only while
 * head-room falls fast.
 *
 * @param bytes at all times
 * @param most at most, in bytes: while head-room falls so fast that a child could not be stopped
 *     before it is used up otherwise
 */
public record Reserve(long bytes, long most) {
  private static final int PART = 8;
  private static final int MOST_PART = 4;

  /** What the fastest fills in the time that it takes to stop him: see docs/headroom.md. */
  private static final long LARGEST = 128L << 20;

  /** Returns what is kept free below a limit where nobody says how much. */
  public static Reserve standard(long limit) {
    return new Reserve(Math.min(limit / PART, LARGEST), Math.min(limit / MOST_PART, LARGEST));
  }

  /** Returns what somebody wants to be kept free, neither less nor more. */
  public static Reserve exactly(long bytes) {
    return new Reserve(bytes, bytes);
  }

  /**
   * Returns what is to be kept free while head-room falls.
   *
   * @param expected by how much it may fall until a child is stopped, in bytes
   */
  public long whileFalling(long expected) {
    return bytes + Math.min(most - bytes, Math.max(0, expected));
  }
}
