package io.memguard.doctor;

import java.util.Optional;

/**
 * Whether a child can have a cgroup of its own here.
 *
 * @param obstacle what is in the way; empty if it can
 * @param reason where they are made, or what is in the way and what would help
 * @see <a href="https://docs.kernel.org/admin-guide/cgroup-v2.html#delegation">the kernel's
 *     rules</a>
 */
public record LeafRoom(Optional<Obstacle> obstacle, String reason) {

  /** What can be in the way. */
  public enum Obstacle {
    /** This process's own cgroup cannot be seen. */
    UNSEEN,
    /** The system property {@code memguard.cgroup.leaf=off}. */
    FORBIDDEN,
    /** Cgroups are mounted read-only, as containers usually have them. */
    READ_ONLY,
    /** This user may not make directories there. */
    NOT_WRITABLE,
    /** This user may make directories there, and not write the files that are needed. */
    HALF_DELEGATED,
    /** The cgroup was not given the memory controller. */
    NO_MEMORY_CONTROLLER,
    /** The cgroup holds processes, so it cannot hand the memory controller on. */
    HOLDS_PROCESSES,
    /** The cgroup is threaded, and such do not account memory. */
    THREADED
  }

  /**
   * Tells whether a cgroup can be made now.
   *
   * @return true if nothing is in the way
   */
  public boolean possible() {
    return obstacle.isEmpty();
  }

  /**
   * Tells whether this is in the way.
   *
   * @param one what
   * @return true if it is
   */
  boolean isObstructedBy(Obstacle one) {
    return obstacle.filter(one::equals).isPresent();
  }
}
