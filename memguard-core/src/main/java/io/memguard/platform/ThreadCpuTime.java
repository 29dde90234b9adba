package io.memguard.platform;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;

/**
 * What the calling thread has had of a CPU, for those who look away in proportion to what looking
 * costs. Measured by the clock on the wall it would seem to cost the more the less CPU time others
 * leave to us: and it is then that there may be something to be seen.
 */
public final class ThreadCpuTime {
  private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

  private ThreadCpuTime() {}

  /** Returns nanoseconds, to be compared with others of the same thread only. */
  public static long nanos() {
    if (!THREADS.isCurrentThreadCpuTimeSupported()) {
      return System.nanoTime();
    }
    long nanos = THREADS.getCurrentThreadCpuTime();
    return nanos < 0 ? System.nanoTime() : nanos; // somebody has switched it off
  }
}
