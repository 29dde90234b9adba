package io.memguard.limits;

/** Says how much a {@link Protection} is wanted. */
public enum Requirement {
  /**
   * Without it the child is not started: a {@code LaunchException} says why it cannot be had, and
   * what to do.
   */
  REQUIRE,
  /**
   * It is used where it can be had; where not, the process says why. The default, but for {@link
   * Protection#CGROUP_LEAF}.
   */
  PREFER,
  /** It is not used. */
  OFF
}
