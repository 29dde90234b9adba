package io.memguard.platform.procfs;

import org.jspecify.annotations.Nullable;

/**
 * What one line of {@code /proc/<pid>/stat} says; the names are those of proc_pid_stat(5).
 *
 * @param state the letter ps(1) shows
 * @param ppid the parent's pid, 0 if that is outside of our pid namespace
 * @param flags the kernel's {@code PF_…}
 * @param cpuTicks what it has had of CPUs, in hundredths of a second, with the children that it has
 *     waited for
 * @param threads how many threads have not ended, and the first one even then
 * @param start when it was started, in clock ticks; with the pid, it names a process
 * @param vsize its address space, in bytes
 * @param rss its resident pages; 0 once its first thread has ended
 */
record ProcessStat(
    char state,
    long ppid,
    long flags,
    long cpuTicks,
    long threads,
    long start,
    long vsize,
    long rss) {
  /** It was forked and has not called exec: {@code PF_FORKNOEXEC} of the kernel's sched.h. */
  private static final long FORKED = 0x40;

  private static final int PPID = 4;
  private static final int FLAGS = 9;
  private static final int UTIME = 14;
  private static final int STIME = 15;
  private static final int CUTIME = 16;
  private static final int CSTIME = 17;
  private static final int THREADS = 20;
  private static final int START = 22;
  private static final int VSIZE = 23;
  private static final int RSS = 24;

  /** Understands a line, or returns null if it is none. */
  static @Nullable ProcessStat parse(byte[] line, int length) {
    int at = afterName(line, length);
    if (at >= length) {
      return null;
    }
    char state = (char) line[at];
    long[] fields = new long[RSS + 1];
    int field = 3;
    for (at++; at < length && field <= RSS; at++) {
      byte next = line[at];
      if (next == ' ') {
        field++;
      } else if (next >= '0' && next <= '9' && field <= RSS) {
        fields[field] = fields[field] * 10 + (next - '0');
      }
    }
    return field < RSS
        ? null
        : new ProcessStat(
            state,
            fields[PPID],
            fields[FLAGS],
            fields[UTIME] + fields[STIME] + fields[CUTIME] + fields[CSTIME],
            fields[THREADS],
            fields[START],
            fields[VSIZE],
            fields[RSS]);
  }

  /** The name is in brackets, and may have brackets and spaces in it. */
  private static int afterName(byte[] line, int length) {
    for (int i = length - 1; i >= 0; i--) {
      if (line[i] == ')') {
        return i + 2;
      }
    }
    return length;
  }

  /** Tells whether nothing of it runs any more. */
  boolean hasEnded() {
    return (state == 'Z' || state == 'X') && threads <= 1;
  }

  /**
   * Tells whether its first thread has ended and others have not: then its memory is shown to be
   * nothing, and is to be read through one of those.
   */
  boolean isHeadless() {
    return (state == 'Z' || state == 'X') && threads > 1;
  }

  /** Returns the same process with the memory that one of its threads shows. */
  ProcessStat withMemoryOf(ProcessStat thread) {
    return new ProcessStat(state, ppid, flags, cpuTicks, threads, start, thread.vsize, thread.rss);
  }

  /** Tells whether it was forked and has not called exec since. */
  boolean isForked() {
    return (flags & FORKED) != 0;
  }

  /** Tells whether it has a CPU, or waits for one. */
  boolean isRunnable() {
    return state == 'R';
  }

  /** Tells whether somebody has stopped it: a signal, or who traces it. */
  boolean isStopped() {
    return state == 'T' || state == 't';
  }

  /** Tells whether it cannot be interrupted, as whoever waits for a vfork'd child. */
  boolean isUninterruptible() {
    return state == 'D';
  }
}
