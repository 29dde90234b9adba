package io.memguard.outcome;

import io.memguard.limits.Rlimit;
import java.time.Duration;
import java.util.OptionalLong;

/**
 * What a process was refused: memory, or a thread or another process.
 *
 * <p>What the process had, and was allowed, is read for its first refusal, and then at most ten
 * times a second: the sizes may be a tenth of a second older than the refusal. All are in bytes.
 *
 * @param kind what it had called
 * @param errno what the answer was: ENOMEM (12), or EAGAIN (11), of errno(3)
 * @param bytes how much it had asked for; for a thread the size of its stack, for a process 0
 * @param tid the thread that asked, or 0 if that is unknown
 * @param at when, since the first program of the launch began; zero if that is unknown
 * @param dataBytes what it had of what RLIMIT_DATA counts, or empty if that is unknown
 * @param addressBytes what it had of what RLIMIT_AS counts, or empty if that is unknown
 * @param rssBytes what of it was resident, or empty if that is unknown
 * @param dataLimit its own RLIMIT_DATA, or empty if there was none, or that is unknown
 * @param addressLimit its own RLIMIT_AS, or empty if there was none, or that is unknown
 */
public record Refusal(
    Kind kind,
    int errno,
    long bytes,
    int tid,
    Duration at,
    OptionalLong dataBytes,
    OptionalLong addressBytes,
    OptionalLong rssBytes,
    OptionalLong dataLimit,
    OptionalLong addressLimit) {

  /** What can be refused. */
  public enum Kind {
    /** malloc, or one of its family. */
    MALLOC("malloc"),
    /** mmap(2). */
    MMAP("mmap"),
    /** mremap(2). */
    MREMAP("mremap"),
    /** mprotect(2), by which reserved memory becomes usable. */
    MPROTECT("mprotect"),
    /** brk(2), or sbrk. */
    BRK("brk"),
    /** pthread_create: for want of room for the stack, or because there were too many threads. */
    THREAD("thread"),
    /** fork(2), or clone(2). */
    FORK("fork"),
    /** posix_spawn, or the exec in it. */
    SPAWN("spawn");

    private final String label;

    Kind(String label) {
      this.label = label;
    }

    /**
     * Returns the word for it in texts and reports.
     *
     * @return lower case, such as {@code malloc}
     */
    public String label() {
      return label;
    }
  }

  private static final int ENOMEM = 12;
  private static final long MIB = 1 << 20;
  private static final int SLACK_SHARE = 16;
  private static final long MOST_SLACK = 64 * MIB;

  /**
   * Tells whether memory was refused, for whatever reason, and not a thread, a process, or leave to
   * lock memory.
   *
   * @return true if it was
   */
  public boolean ofMemory() {
    return errno == ENOMEM && kind.compareTo(Kind.BRK) <= 0;
  }

  /**
   * Tells whether it is known what the process had, and that it had a limit of its own.
   *
   * @return true if so
   */
  public boolean isMeasured() {
    return (dataBytes.isPresent() && dataLimit.isPresent())
        || (addressBytes.isPresent() && addressLimit.isPresent());
  }

  /**
   * Returns what the process had of that which a resource limit counts.
   *
   * @param resource {@link Rlimit#DATA} or {@link Rlimit#AS}
   * @return bytes, or empty if that is unknown
   */
  public OptionalLong had(Rlimit resource) {
    return switch (resource) {
      case DATA -> dataBytes;
      case AS -> addressBytes;
      default -> OptionalLong.empty();
    };
  }

  /**
   * Returns the resource limit that the process was under.
   *
   * @param resource {@link Rlimit#DATA} or {@link Rlimit#AS}
   * @return bytes, or empty if there was none, or that is unknown
   */
  public OptionalLong limit(Rlimit resource) {
    return switch (resource) {
      case DATA -> dataLimit;
      case AS -> addressLimit;
      default -> OptionalLong.empty();
    };
  }

  /**
   * Tells whether what it had and what it asked for were together more than its own resource limits
   * on memory allow. Allocators ask for a little more than programs do: a sixteenth of the limit,
   * but between 1 and 64 MiB, is allowed for; of threads, whose stacks are of a known size, 1 MiB.
   *
   * @return true if they were; false also if what it had is unknown
   */
  public boolean exceedsLimit() {
    return exceeds(Rlimit.DATA, bytes) || exceeds(Rlimit.AS, bytes);
  }

  /** The same of one limit, for any request of that process at about the same time. */
  boolean exceeds(Rlimit resource, long asked) {
    OptionalLong had = had(resource);
    OptionalLong limit = limit(resource);
    if (had.isEmpty() || limit.isEmpty()) {
      return false;
    }
    long most = limit.getAsLong();
    long share = kind == Kind.THREAD ? MIB : most / SLACK_SHARE;
    long slack = Math.min(Math.max(share, MIB), MOST_SLACK);
    return asked > most - slack - had.getAsLong();
  }
}
