package io.memguard.outcome;

import java.util.List;
import java.util.OptionalLong;

/**
 * Something that happened to memory while children lived, or with the end of one: early notice, so
 * that an application can shed load before anything is killed. Listeners are set by {@link
 * io.memguard.limits.LaunchOptions#withMemoryListener} for one child, and by {@link
 * io.memguard.limits.GuardOptions#withListener} for all of them and for the container around.
 *
 * <p>The kernel's counters are the source (Documentation/admin-guide/cgroup-v2.rst, {@code
 * memory.events}), or memguard's own readings; what rose before they were read counts as one event.
 *
 * @param child the pid of the guarded child it happened to; empty if it happened to the container,
 *     or on a machine without one to the machine
 * @param kind what happened
 * @param times how often since it was told last; at least 1
 * @param bytes what memguard read, where the kind says so
 * @param victims who was killed, for {@link Kind#OOM_KILL}, as far as the kernel's log is readable
 *     and names them; else empty
 */
public record MemoryEvent(
    OptionalLong child, Kind kind, long times, OptionalLong bytes, List<Victim> victims) {
  /**
   * Copies the list.
   *
   * @param child the pid of the guarded child it happened to, or empty for the container
   * @param kind what happened
   * @param times how often since it was told last; at least 1
   * @param bytes what memguard read, where the kind says so
   * @param victims who was killed, for {@link Kind#OOM_KILL}, as far as the kernel's log is
   *     readable and names them; else empty
   */
  public MemoryEvent {
    victims = List.copyOf(victims);
  }

  /**
   * Tells how bad it is.
   *
   * @return the level of its kind
   */
  public Level level() {
    return kind.level;
  }

  /** Says how bad it is; each is worse than those before. */
  public enum Level {
    /** There is room again. */
    NORMAL,
    /** Take on less: nothing is lost yet. */
    WARNING,
    /** Somebody is about to be killed. */
    CRITICAL,
    /** Somebody was killed. */
    KILLED
  }

  /** Names what can happen. Of what is told at the same time, the order is this one. */
  public enum Kind {
    /**
     * A child, or the container, exceeded {@code memory.high} and was slowed down: cgroup v2 only,
     * where somebody has set that. Or a child without a cgroup of its own and its descendants
     * passed {@link io.memguard.limits.MemoryLimits#memoryHigh}, as memguard has read, and nobody
     * slows them down; then {@link MemoryEvent#bytes} says what they have. For the container it is
     * the head-room.
     */
    HIGH(Level.WARNING),
    /**
     * A child was about to exceed its limit, {@code memory.max}; dropping page cache may have been
     * enough. On cgroup v1 this is told with what else happens, and not at once.
     */
    MAX(Level.WARNING),
    /** A child reached its limit, and nothing could be reclaimed; cgroup v2 only. */
    OOM(Level.CRITICAL),
    /**
     * The OOM killer killed a process of a child's cgroup, whoever's limit it was: a descendant, if
     * the child lives on, else maybe the child itself.
     */
    OOM_KILL(Level.KILLED),
    /**
     * Some processes waited for memory for 0.3 of 2 seconds; {@link MemoryEvent#times} is 1. Only
     * on cgroup v2 with PSI; of a child only where {@code memory.pressure} may be written; see the
     * kernel's Documentation/accounting/psi.rst.
     */
    PRESSURE(Level.WARNING),
    /**
     * The container's head-room fell below one and a half times the larger reserve; {@link
     * MemoryEvent#bytes} is what is left of it.
     */
    HEADROOM_LOW(Level.WARNING),
    /**
     * The container's head-room fell below the reserve: memguard ends a child if it may, before the
     * kernel kills; {@link MemoryEvent#bytes} is what is left of it.
     */
    HEADROOM_CRITICAL(Level.CRITICAL),
    /**
     * The container's head-room is twice the larger reserve again; {@link MemoryEvent#bytes} is
     * what there is of it.
     */
    HEADROOM_BACK(Level.NORMAL),
    /**
     * memguard killed the child and its descendants; {@link MemoryEvent#bytes} is what they held.
     */
    PREEMPTED(Level.KILLED);

    private final Level level;

    Kind(Level level) {
      this.level = level;
    }
  }

  /**
   * A process that the OOM killer killed.
   *
   * @param pid the machine's number for it, which is another one than that in a container
   * @param name the first 15 bytes of its name
   */
  public record Victim(long pid, String name) {}
}
