package io.memguard.outcome;

import io.memguard.limits.MemorySize;
import io.memguard.limits.Rlimit;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * Something that happened to memory while children lived, or with the end of one: early notice, so
 * that an application can shed load before anything is killed. Listeners are set by {@link
 * io.memguard.limits.LaunchOptions#withMemoryListener} for one child, and by {@link
 * io.memguard.limits.GuardOptions#withListener} for all of them and for the container around.
 *
 * <p>The kernel's counters are the source (Documentation/admin-guide/cgroup-v2.rst, {@code
 * memory.events}), what the witness notes, or memguard's own readings; what rose before they were
 * read counts as one event.
 *
 * @param child the pid of the guarded child it happened to; empty if it happened to the container,
 *     or on a machine without one to the machine
 * @param kind what happened
 * @param times how often since it was told last; at least 1
 * @param bytes what memguard read, in bytes, where the kind says so; else empty
 * @param processes whom it happened to, the child or descendants of it: for {@link Kind#REFUSED}
 *     the one that was refused something, where the witness had room to note it; for {@link
 *     Kind#OOM_KILL} those that were killed, as far as the kernel's log is readable and names them;
 *     else empty
 */
public record MemoryEvent(
    OptionalLong child, Kind kind, long times, OptionalLong bytes, List<Affected> processes) {
  private static final int ENOMEM = 12;

  /**
   * Copies the list.
   *
   * @param child the pid of the guarded child it happened to, or empty for the container
   * @param kind what happened
   * @param times how often since it was told last; at least 1
   * @param bytes what memguard read, where the kind says so
   * @param processes whom it happened to, as far as that is known
   */
  public MemoryEvent {
    processes = List.copyOf(processes);
  }

  /**
   * Returns the same without command lines, which may hold secrets.
   *
   * @return the new event
   */
  public MemoryEvent withoutCommands() {
    return new MemoryEvent(
        child,
        kind,
        times,
        bytes,
        processes.stream()
            .map(one -> new Affected(one.pid, one.name, Optional.empty(), one.refusal))
            .toList());
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
    KILLED;

    /**
     * Returns the name in lower case, as recordings have it.
     *
     * @return for example {@code "warning"}
     */
    public String label() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** Names what can happen. Of what is told at the same time, the order is this one. */
  public enum Kind {
    /**
     * A process of the child's, or the child itself, was refused memory, a thread or another
     * process, and knows it: a witness saw it ({@link io.memguard.limits.Protection#WITNESS}). Told
     * within about a second, of each process at once, and again every ten seconds while it is
     * refused more; {@link MemoryEvent#times} is how often. {@link MemoryEvent#bytes} is the
     * largest request for memory of that process so far.
     */
    REFUSED(Level.WARNING),
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

    /**
     * Returns the name in kebab-case, as recordings and meters have it.
     *
     * @return for example {@code "headroom-low"}
     */
    public String label() {
      return name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
  }

  /**
   * A process that something happened to.
   *
   * @param pid its number: for {@link Kind#REFUSED} as it sees itself, for {@link Kind#OOM_KILL}
   *     the machine's, which is another one than that in a container
   * @param name the first 15 bytes of its name
   * @param command its command line, of 200 characters at most, where {@code /proc} still had that
   *     of a descendant with this number and name; it may hold secrets
   * @param refusal the last that it was refused, for {@link Kind#REFUSED}; empty if that is unknown
   */
  public record Affected(
      long pid, String name, Optional<String> command, Optional<Refusal> refusal) {
    /**
     * Checks the values.
     *
     * @param pid its number
     * @param name the first 15 bytes of its name
     * @param command its command line, where {@code /proc} still had it
     * @param refusal the last that it was refused
     */
    public Affected {
      Objects.requireNonNull(name, "name");
    }

    /**
     * Names it for people.
     *
     * @return for example {@code process 4711 (python3 worker.py)}, on one line
     */
    public String description() {
      String text = command.orElse(name).replaceAll("[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]", "?");
      return "process " + pid + (text.isEmpty() ? "" : " (" + text + ")");
    }
  }

  /**
   * Says what happened, for people.
   *
   * @return a sentence without its full stop, on one line
   */
  public String explanation() {
    return switch (kind) {
      case REFUSED -> refused();
      case OOM_KILL -> killed();
      default ->
          child.stream().mapToObj(pid -> "child " + pid + ": ").findFirst().orElse("")
              + kind.label().replace('-', ' ')
              + times(", ")
              + bytes.stream()
                  .mapToObj(size -> ", " + MemorySize.format(size))
                  .findFirst()
                  .orElse("");
    };
  }

  private String refused() {
    if (processes.isEmpty()) {
      return "processes that there was no room to note were refused memory" + times(" ");
    }
    Affected process = processes.get(0);
    return process.description()
        + " was refused "
        + process.refusal().map(MemoryEvent::what).orElse("memory")
        + times(", ")
        + process.refusal().map(MemoryEvent::limit).orElse("");
  }

  private String times(String before) {
    return times == 1 ? "" : String.format(Locale.ROOT, "%s%,d times", before, times);
  }

  private static String what(Refusal refusal) {
    String errno = refusal.errno() == ENOMEM ? "ENOMEM" : "EAGAIN";
    return switch (refusal.kind()) {
      case FORK, SPAWN -> "another process (" + refusal.kind().label() + ", " + errno + ")";
      case THREAD ->
          "a thread with a stack of " + MemorySize.format(refusal.bytes()) + " (" + errno + ")";
      default ->
          MemorySize.format(refusal.bytes()) + " (" + refusal.kind().label() + ", " + errno + ")";
    };
  }

  private static String limit(Refusal refusal) {
    for (Rlimit resource : List.of(Rlimit.DATA, Rlimit.AS)) {
      if (refusal.exceeds(resource, refusal.bytes())) {
        return "; its RLIMIT_"
            + resource
            + " is "
            + MemorySize.format(refusal.limit(resource).getAsLong());
      }
    }
    return "";
  }

  private String killed() {
    if (processes.isEmpty()) {
      return (times == 1 ? "a process" : times + " processes")
          + " of child "
          + child.orElse(0)
          + (times == 1 ? " was" : " were")
          + " killed by the kernel for lack of memory";
    }
    StringBuilder all = new StringBuilder();
    for (Affected process : processes) {
      all.append(all.isEmpty() ? "" : ", ").append(process.description());
    }
    return all
        + (processes.size() == 1 ? " was" : " were")
        + " killed by the kernel for lack of memory";
  }
}
