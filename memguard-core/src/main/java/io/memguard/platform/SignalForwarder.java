package io.memguard.platform;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Passes signals that are sent to this process on to one child: what a command-line wrapper owes to
 * the command it wraps. It changes the whole process, so no library code but a program's own {@code
 * main} may use it.
 */
public final class SignalForwarder {
  private static final List<Integer> ORDINARY =
      List.of(
          1, 2, 3, 10, 14, 15, 16, 23, 28, 29,
          30); // HUP INT QUIT USR1 ALRM TERM STKFLT URG WINCH IO PWR
  private static final int SIGUSR2 = 12;
  private static final int FIRST_REALTIME = 34;
  private static final int LAST = 64;

  private int pidfd = -1;

  private SignalForwarder() {}

  /**
   * Takes over every signal that a child should see; until there is a child, they are kept for it.
   * A signal that is ignored stays so: nohup(1) and the shell's background jobs rely on that.
   *
   * @param reserved the signal that the JVM suspends its threads with: SIGUSR2, unless {@code
   *     _JAVA_SR_SIGNUM} says otherwise
   * @param kept signals that a child which lives gets without us: who sends them sends them to its
   *     whole process group
   * @throws IOException if the native library cannot be loaded
   */
  public static SignalForwarder install(int reserved, Set<Integer> kept) throws IOException {
    Linux.load();
    Linux.guard_forward_keep(
        kept.stream().mapToLong(signal -> 1L << (signal - 1)).reduce(0, (a, b) -> a | b));
    Stream.concat(
            Stream.concat(ORDINARY.stream(), Stream.of(SIGUSR2)),
            IntStream.rangeClosed(FIRST_REALTIME, LAST).boxed())
        .filter(signal -> signal != reserved)
        .forEach(Linux::guard_forward);
    return new SignalForwarder();
  }

  /** Tells whether this is one of those that a child should see, where the JVM leaves it to us. */
  public static boolean forwards(int signal) {
    return ORDINARY.contains(signal)
        || signal == SIGUSR2
        || (signal >= FIRST_REALTIME && signal <= LAST);
  }

  /** Names the child, or lets signals wait for the next one if it has ended already. */
  public synchronized void to(long pid) {
    int before = pidfd;
    pidfd = Linux.guard_pidfd_open((int) pid);
    Linux.guard_forward_to(Math.max(pidfd, -1), born(pid));
    if (before >= 0) {
      Linux.guard_close(before);
    }
  }

  /** What was sent to the whole group after this has reached the child without us. */
  private static long born(long pid) {
    try {
      return StatFile.read(Path.of("/proc", String.valueOf(pid))).startTime();
    } catch (IOException e) { // it has ended, and nothing can reach it
      return 0;
    }
  }

  /** There will be no other child: signals mean this process again. */
  public void end() {
    Linux.guard_forward_end();
  }

  /** Tells whether a signal has been sent to this process since it was taken over. */
  public boolean hasSeen(int signal) {
    return (Linux.guard_forwarded() >>> (signal - 1) & 1) != 0;
  }
}
