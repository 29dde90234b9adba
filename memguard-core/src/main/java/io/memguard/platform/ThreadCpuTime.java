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
  private static final boolean KNOWN = THREADS.isCurrentThreadCpuTimeSupported();

  private ThreadCpuTime() {}

  /** Returns nanoseconds, to be compared with others of the same thread only. */
  public static long nanos() {
    return KNOWN ? THREADS.getCurrentThreadCpuTime() : System.nanoTime();
  }
}
