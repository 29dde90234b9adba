package io.memguard.outcome;

import java.util.Optional;

/**
 * What the kernel's log, <a
 * href="https://www.kernel.org/doc/Documentation/ABI/testing/dev-kmsg">/dev/kmsg</a>, says about a
 * child that was killed. The OOM killer writes there whom it killed, and mostly whose limit was
 * reached, before the victim can be reaped.
 *
 * @param victim the killed process that the log names and that speaks for the child's own end;
 *     empty if it names none
 * @param wouldName true if the log would most likely name the child, had the OOM killer chosen it:
 *     nothing was lost, and the child's pid here is the one that the log uses
 */
public record KernelLogRecord(Optional<Victim> victim, boolean wouldName) {
  /** Names who a victim is to the child. */
  public enum Who {
    /** The child itself. */
    CHILD,
    /** A process of the child's own cgroup, maybe the child itself. */
    IN_LEAF,
    /** A process of the cgroup that the child shared with its parent, maybe the child itself. */
    BESIDE
  }

  /** Names whose limit was reached. */
  public enum Limit {
    /** That of the child's own cgroup, or of one that the child made below it. */
    OWN_CGROUP,
    /** That of a cgroup around the child. */
    OTHER_CGROUP,
    /** The machine's memory, or that of the nodes the victim may use. */
    HOST,
    /** The kernel did not say: it limits how many of its reports it writes in full. */
    UNKNOWN
  }

  /**
   * A process that the OOM killer killed.
   *
   * @param pid the machine's number for it, which is another one than that in a container
   * @param name the first 15 bytes of its name
   * @param who what it is to the child
   * @param limit whose limit was reached
   * @param limitCgroup the cgroup whose limit was reached, as the machine names it; empty if it was
   *     no cgroup's, or is not known
   */
  public record Victim(long pid, String name, Who who, Limit limit, Optional<String> limitCgroup) {}

  /**
   * Returns the victim, if it is one of these.
   *
   * @param who what it has to be to the child
   * @return the victim, or empty
   */
  public Optional<Victim> victim(Who who) {
    return victim.filter(named -> named.who() == who);
  }

  /**
   * Tells whether the log speaks against the OOM killer. It is no proof: a process that shares its
   * memory with the chosen one dies with it unnamed, and the log may name a thread instead.
   *
   * @return true if it would most likely name the child, and does not
   */
  public boolean silent() {
    return wouldName && victim(Who.CHILD).isEmpty();
  }
}
