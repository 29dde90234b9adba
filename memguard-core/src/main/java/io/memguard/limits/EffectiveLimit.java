package io.memguard.limits;

import java.util.Optional;

/**
 * The smallest limit of one kind that binds this process and its children, whoever set it: that of
 * a cgroup, its own or one above, or the machine's size ({@code MemTotal} of proc_meminfo(5)).
 * Immutable.
 *
 * @param kind what it bounds
 * @param bytes the limit, 0 or more
 * @param setBy whose it is: {@code cgroup} and its path, as {@code /proc/self/cgroup} has it;
 *     {@code the machine}; or {@code a cgroup that cannot be seen from here}
 * @param source the file that says so
 * @param hiddenAncestors why cgroups that cannot be seen from here may have a smaller one; empty if
 *     all were looked at
 * @see <a href="https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files">the
 *     kernel's documentation</a>
 */
public record EffectiveLimit(
    Kind kind, long bytes, String setBy, String source, Optional<String> hiddenAncestors) {

  /** What a limit bounds, and what happens there. */
  public enum Kind {
    /**
     * Memory: the kernel reclaims, and where that does not help it kills: {@code memory.max}, or on
     * cgroup v1 {@code memory.limit_in_bytes}.
     */
    MAX,
    /**
     * Memory: the kernel reclaims and slows down, and kills nobody: {@code memory.high}, cgroup v2.
     */
    HIGH,
    /** Swap space alone: {@code memory.swap.max}, cgroup v2. */
    SWAP,
    /** Memory and swap space together: {@code memory.memsw.limit_in_bytes}, cgroup v1. */
    MEMORY_AND_SWAP
  }
}
