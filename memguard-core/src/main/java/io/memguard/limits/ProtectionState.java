package io.memguard.limits;

import java.util.Optional;

/**
 * Says whether a protection is in force for a child.
 *
 * @param active true if it is
 * @param reason what exactly is in force and what is lacking, or why it is not
 * @param lacking where it is in force but not all that was asked for with it: what is not, and why
 */
public record ProtectionState(boolean active, String reason, Optional<String> lacking) {
  /**
   * States that a protection is in force.
   *
   * @param what what exactly
   * @return the state
   */
  public static ProtectionState active(String what) {
    return new ProtectionState(true, what, Optional.empty());
  }

  /**
   * States that a protection is in force, but for something that was asked for with it.
   *
   * @param what what exactly is in force
   * @param lacking what is not, why, and what would help
   * @return the state
   */
  public static ProtectionState partly(String what, String lacking) {
    return new ProtectionState(true, what + "; but " + lacking, Optional.of(lacking));
  }

  /**
   * States that a protection is not in force.
   *
   * @param why the reason, and what would help
   * @return the state
   */
  public static ProtectionState inactive(String why) {
    return new ProtectionState(false, why, Optional.empty());
  }

  /** Returns {@code "active"}, with what is lacking if anything is, or why it is not. */
  @Override
  public String toString() {
    return active ? "active" + lacking.map(what -> "; but " + what).orElse("") : reason;
  }
}
