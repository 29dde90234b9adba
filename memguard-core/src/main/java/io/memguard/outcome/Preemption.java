package io.memguard.outcome;

import java.util.Locale;

/**
 * The reading on the ground of which memguard ended a child with its descendants.
 *
 * @param limit whose memory ran out
 * @param limitBytes that limit: {@link io.memguard.limits.MemoryLimits#treeMemory}, or the
 *     container's or the machine's
 * @param thresholdBytes from which size on memguard acts: a little above the child's own limit,
 *     below the others'
 * @param bytes the size that was read, or what it is at least where more than enough was read: of
 *     the child with its descendants, or of all that count against the container's limit
 * @param treeBytes what the child and its descendants had of it
 * @param processes how many they were
 * @param source where {@code treeBytes} was read
 */
public record Preemption(
    Limit limit,
    long limitBytes,
    long thresholdBytes,
    long bytes,
    long treeBytes,
    int processes,
    Source source) {

  /** Names whose memory ran out. */
  public enum Limit {
    /** What the child and its descendants may use together. */
    TREE_MEMORY,
    /** What the container has, or the machine: they were ended so that others live. */
    HEAD_ROOM;

    /**
     * Returns the name in kebab-case, as the command line's report writes it.
     *
     * @return for example {@code "tree-memory"}
     */
    public String label() {
      return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
  }

  /** Names the files that were read, of {@code /proc/<pid>} (proc(5)). */
  public enum Source {
    /**
     * {@code fd}: files in memory (tmpfs, memfd) that it holds open for writing had more than
     * enough alone; nothing else was read.
     */
    FD,
    /** {@code smaps_rollup}: anonymous and shared memory, each page once. */
    SMAPS_ROLLUP,
    /**
     * {@code stat}, {@code status} or {@code smaps}: what is resident, each page once for every
     * process that has it. That is what the head-room guard reads, and what is read of a process
     * whose {@code smaps_rollup} cannot be.
     */
    STAT;

    /**
     * Returns the name of the file.
     *
     * @return for example {@code "smaps_rollup"}
     */
    public String label() {
      return name().toLowerCase(Locale.ROOT);
    }
  }
}
