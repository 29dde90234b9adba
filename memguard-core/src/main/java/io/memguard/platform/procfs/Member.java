package io.memguard.platform.procfs;

import io.memguard.outcome.MemorySample;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** One process of a tree, with what was last read about it. */
final class Member {
  private final long pid;
  private final byte[] statFile;
  private final long treeBegan;
  private ProcessStat stat;

  /** Where its memory is shown: {@code <pid>}, or {@code <pid>/task/<tid>} of a thread. */
  private String directory;

  private List<HeldFile> held = List.of();
  private long heldAt;
  private long shmemThen;

  /** What was last read of its peaks, and the size that it had then. */
  private Optional<MemorySample> peaks = Optional.empty();

  private long vsizeThen;
  private long rssThen;

  /**
   * Notes a process.
   *
   * @param treeBegan when its tree began, in seconds since 1970
   */
  Member(long pid, byte[] statFile, ProcessStat stat, long treeBegan) {
    this.pid = pid;
    this.statFile = statFile;
    this.treeBegan = treeBegan;
    this.stat = stat;
    this.directory = Long.toString(pid);
  }

  long pid() {
    return pid;
  }

  ProcessStat stat() {
    return stat;
  }

  long treeBegan() {
    return treeBegan;
  }

  /** Returns the directory below the root in which its memory is shown. */
  String directory() {
    return directory;
  }

  List<HeldFile> held() {
    return held;
  }

  /** Returns the time when its descriptors were looked at. */
  long heldAt() {
    return heldAt;
  }

  /** Returns how much shared memory the machine had then. */
  long shmemThen() {
    return shmemThen;
  }

  void hold(List<HeldFile> files, long now, long shmem) {
    held = files;
    heldAt = now;
    shmemThen = shmem;
  }

  /**
   * Returns what it has had of its memory, or empty if that cannot be read. As long as its size is
   * the same, nothing is read again.
   */
  Optional<MemorySample> peaks(ProcFiles files) {
    if (peaks.isEmpty() || stat.vsize() != vsizeThen || stat.rss() != rssThen) {
      vsizeThen = stat.vsize();
      rssThen = stat.rss();
      peaks = Peaks.read(pid, files.text(files.name(directory + "/status")).orElse(""));
    }
    return peaks;
  }

  /**
   * Reads it again.
   *
   * @return whether it still lives; its pid may be another process's by now
   */
  boolean refresh(ProcFiles files) {
    ProcessStat now = files.stat(statFile);
    if (now == null || now.start() != stat.start() || now.hasEnded()) {
      return false;
    }
    stat = now.isHeadless() ? throughAThread(files, now) : now;
    return true;
  }

  /** Tells whether its pid is another process's by now. */
  boolean isReplaced(ProcFiles files) {
    ProcessStat now = files.stat(statFile);
    return now != null && now.start() != stat.start();
  }

  /** The memory of a process whose first thread has ended is read through another thread. */
  private ProcessStat throughAThread(ProcFiles files, ProcessStat now) {
    ProcessStat thread = threadStat(files);
    if (thread == null) {
      thread = anotherThread(files);
    }
    return thread == null ? now : now.withMemoryOf(thread);
  }

  private @Nullable ProcessStat threadStat(ProcFiles files) {
    if (directory.indexOf('/') < 0) {
      return null;
    }
    ProcessStat thread = files.stat(files.name(directory + "/stat"));
    return thread == null || thread.hasEnded() || thread.vsize() == 0 ? null : thread;
  }

  private @Nullable ProcessStat anotherThread(ProcFiles files) {
    for (long tid : files.numbers(pid + "/task").toArray()) {
      directory = pid + "/task/" + tid;
      ProcessStat thread = threadStat(files);
      if (thread != null) {
        return thread;
      }
    }
    directory = Long.toString(pid);
    return null;
  }
}
