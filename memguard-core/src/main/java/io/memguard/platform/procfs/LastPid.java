package io.memguard.platform.procfs;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * The last pid that the kernel has given out, the last field of {@code /proc/loadavg}: it tells
 * whether anything was started since.
 *
 * <p>It is the cursor of the reader's pid namespace ({@code loadavg_proc_show}, {@code alloc_pid}),
 * which every process and thread in that namespace and in those below it moves. From the largest
 * pid it goes back to 300. Only a process whose pid was chosen (clone3's {@code set_tid}, for
 * restored checkpoints) does not move it. It is not believed where it is nobody's: gVisor has a 0
 * there, and lxcfs puts a file of its own over the kernel's that is seconds old.
 *
 * <p>Not safe to share between threads.
 */
final class LastPid {
  /** A pid is given out before its process can be seen: copy_process does much in between. */
  private static final long SEEN_AFTER_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  /** No machine starts threads faster than this. */
  private static final long NANOS_PER_PID = 2_000;

  private static final long DEFAULT_PID_MAX = 32_768;

  private final ProcFiles files;
  private final byte[] loadavg;
  private final boolean kernels;
  private final long pidMax;
  private final LongSupplier nanoClock;
  private long now;
  private long nowSince;
  private long readAt;
  private long listed;
  private long listedAt;
  private long listedBefore;

  /** How many pids were given out since the last listing; no fewer than there are if unknown. */
  private long given;

  /** The same between the last listing and the one before. */
  private long givenBetween;

  LastPid(ProcFiles files, LongSupplier nanoClock) {
    this.files = files;
    this.nanoClock = nanoClock;
    this.loadavg = files.name("loadavg");
    this.kernels = device(files.root()) == device(files.root().resolve("loadavg"));
    this.pidMax =
        files
            .text(files.name("sys/kernel/pid_max"))
            .map(text -> Long.parseLong(text.strip()))
            .orElse(DEFAULT_PID_MAX);
  }

  private static long device(Path file) {
    try {
      return (Long) Files.getAttribute(file, "unix:dev");
    } catch (IOException | UnsupportedOperationException e) {
      return -1;
    }
  }

  /**
   * Tells whether there may be processes that the last listing did not show; if so, the caller
   * lists them after this.
   */
  boolean mustList() {
    count();
    if (now > 0 && now == listed && listedAt - nowSince >= SEEN_AFTER_NANOS) {
      return false;
    }
    listedBefore = listed;
    listed = now;
    listedAt = readAt;
    givenBetween = given;
    given = 0;
    return true;
  }

  /**
   * Counts what was given out. If that is done often enough, it is known whether all pids may have
   * been given out since a listing, however long ago that was.
   */
  void count() {
    long time = nanoClock.getAsLong();
    long before = now;
    now = read();
    if (now != before) {
      nowSince = time;
    }
    boolean known = now == before || (time - readAt) / NANOS_PER_PID < pidMax;
    given = known ? given + Math.floorMod(now - before, pidMax) : pidMax;
    readAt = time;
  }

  private long read() {
    return kernels
        ? files
            .text(loadavg)
            .map(text -> Long.parseLong(text.substring(text.lastIndexOf(' ') + 1).strip()))
            .orElse(0L)
        : 0;
  }

  /**
   * Tells whether a pid may have been given out between the last listing and the one before, so
   * that another process may have it than had it then.
   */
  boolean mayBeAnothers(long pid) {
    if (listed <= 0 || listedBefore <= 0 || givenBetween >= pidMax) {
      return true;
    }
    return listedBefore <= listed
        ? pid > listedBefore && pid <= listed
        : pid > listedBefore || pid <= listed;
  }
}
