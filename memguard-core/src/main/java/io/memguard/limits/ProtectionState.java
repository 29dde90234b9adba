package io.memguard.limits;

/**
 * Says whether a protection is in force for a child.
 *
 * @param active true if it is
 * @param reason what exactly is in force, or why it is not
 */
public record ProtectionState(boolean active, String reason) {
  /**
   * States that a protection is in force.
   *
   * @param what what exactly
   * @return the state
   */
  public static ProtectionState active(String what) {
    return new ProtectionState(true, what);
  }

  /**
   * States that a protection is not in force.
   *
   * @param why the reason, and what would help
   * @return the state
   */
  public static ProtectionState inactive(String why) {
    return new ProtectionState(false, why);
  }

  /** Returns {@code "active"}, or why it is not. */
  @Override
  public String toString() {
    return active ? "active" : reason;
  }
}
