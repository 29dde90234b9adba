package io.memguard.doctor;

import java.util.Locale;

/**
 * What becomes of this process when a child that has a memory limit, and prefers a cgroup of its
 * own, takes memory without end. The best one first.
 *
 * @see Cgroups.GroupKill
 * @see SystemdUnit#endsTogether
 */
public enum Verdict {
  /** The child is refused memory, or killed alone: this process lives. */
  PROTECTED,
  /** memguard refuses or ends the child first; what gets past that can end this process. */
  PARTLY,
  /** The kernel or a manager ends everything here, and nothing is sure to act before. */
  EXPOSED;

  /**
   * Returns the name as the command line and its JSON write it.
   *
   * @return for example {@code "protected"}
   */
  public String label() {
    return name().toLowerCase(Locale.ROOT);
  }
}
