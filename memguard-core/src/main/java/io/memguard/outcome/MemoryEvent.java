package io.memguard.outcome;

import java.util.List;

/**
 * Something that happened to a child's memory while it lived, or with its end. It is told to the
 * listener of {@link io.memguard.limits.LaunchOptions#withMemoryListener}, and only of children
 * that have a cgroup of their own.
 *
 * <p>The kernel's counters are the source (Documentation/admin-guide/cgroup-v2.rst, {@code
 * memory.events}); what rose before they were read counts as one event.
 *
 * @param child the pid of the guarded child whose cgroup it is
 * @param kind what happened
 * @param times how often since it was told last; at least 1
 * @param victims who was killed, for {@link Kind#OOM_KILL}, as far as the kernel's log is readable
 *     and names them; else empty
 */
public record MemoryEvent(long child, Kind kind, long times, List<Victim> victims) {
  /**
   * Copies the list.
   *
   * @param child the pid of the guarded child whose cgroup it is
   * @param kind what happened
   * @param times how often since it was told last; at least 1
   * @param victims who was killed, for {@link Kind#OOM_KILL}, as far as the kernel's log is
   *     readable and names them; else empty
   */
  public MemoryEvent {
    victims = List.copyOf(victims);
  }

  /** Names what can happen. Of what is told at the same time, the order is this one. */
  public enum Kind {
    /**
     * It exceeded {@code memory.high} and was slowed down. Only where somebody has set that; cgroup
     * v2 only.
     */
    HIGH,
    /**
     * It was about to exceed its limit, {@code memory.max}; dropping page cache may have been
     * enough. On cgroup v1 this is told with what else happens, and not at once.
     */
    MAX,
    /** It reached its limit, and nothing could be reclaimed; cgroup v2 only. */
    OOM,
    /**
     * The OOM killer killed a process of its cgroup, whoever's limit it was: a descendant, if the
     * child lives on, else maybe the child itself.
     */
    OOM_KILL,
    /**
     * Some of its processes waited for memory for 0.3 of 2 seconds; {@link MemoryEvent#times} is 1.
     * Only on cgroup v2 with PSI, and where {@code memory.pressure} may be written; see the
     * kernel's Documentation/accounting/psi.rst.
     */
    PRESSURE
  }

  /**
   * A process that the OOM killer killed.
   *
   * @param pid the machine's number for it, which is another one than that in a container
   * @param name the first 15 bytes of its name
   */
  public record Victim(long pid, String name) {}
}
