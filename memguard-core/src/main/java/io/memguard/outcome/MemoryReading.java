package io.memguard.outcome;

import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;

/**
 * What a living child and all its descendants hold, at one moment.
 *
 * @param bytes what they hold together, in bytes: anonymous and shared memory, each page once, also
 *     where it is swapped out, and files in memory (tmpfs, memfd). Page cache and mapped files do
 *     not count, since the kernel can drop them. In a cgroup of its own it is what that says, and
 *     what the kernel has for them, as page tables, is in it too
 * @param limitBytes the size above which they are ended, by the kernel in a cgroup of their own,
 *     else by memguard; empty if there is none
 * @param processes how many they are; 1 or more
 * @param largest of the child, or the descendant with most in memory, the one with more of what
 *     RLIMIT_DATA counts: what it has of its own limits; empty if that cannot be read
 * @param pressure for how much of the last ten seconds some process waited for memory, from 0 to 1:
 *     of the child's own cgroup, else of this process's, or the machine; empty without PSI
 * @param source where {@code bytes} was read
 * @see <a href="https://docs.kernel.org/accounting/psi.html">the kernel on pressure</a>
 */
public record MemoryReading(
    long bytes,
    OptionalLong limitBytes,
    int processes,
    Optional<MemorySample> largest,
    OptionalDouble pressure,
    Source source) {

  /** Names what was read. */
  public enum Source {
    /** {@code memory.current} of the child's own cgroup, less its page cache. */
    CGROUP,
    /** {@code /proc/<pid>/smaps_rollup} of each process. */
    SMAPS_ROLLUP,
    /**
     * {@code /proc/<pid>/stat} of at least one process, whose {@code smaps_rollup} cannot be read:
     * what it shares with others counts for each.
     */
    STAT
  }

  /**
   * Checks the values.
   *
   * @param bytes what they hold together
   * @param limitBytes the size above which they are ended
   * @param processes how many they are
   * @param largest what the largest process has of its own limits
   * @param pressure for how much of the last ten seconds some process waited for memory
   * @param source where {@code bytes} was read
   */
  public MemoryReading {
    Objects.requireNonNull(source, "source");
  }
}
