package io.memguard.launch;

import io.memguard.platform.Errno;
import java.io.IOException;

/**
 * Thrown when a child could not be started. Nothing of the launch is left behind: no process, no
 * descriptor.
 */
public final class LaunchException extends IOException {
  private static final long serialVersionUID = 1L;

  /** What failed. */
  private final LaunchStep step;

  /** The kernel's reason, or 0. */
  private final int errno;

  /** What to do. */
  private final String remedy;

  /**
   * Makes an exception.
   *
   * @param step what failed
   * @param errno the kernel's reason, or 0 if it was not the kernel that refused
   * @param problem what went wrong, with the value that was wrong
   * @param remedy what to do
   */
  public LaunchException(LaunchStep step, int errno, String problem, String remedy) {
    super(
        "Cannot start the child: "
            + problem
            + " ("
            + step.action()
            + (errno == 0 ? "" : ": " + Errno.name(errno))
            + "). "
            + remedy);
    this.step = step;
    this.errno = errno;
    this.remedy = remedy;
  }

  /**
   * Returns the step that failed.
   *
   * @return the step
   */
  public LaunchStep step() {
    return step;
  }

  /**
   * Returns the kernel's reason.
   *
   * @return an errno of <a href="https://man7.org/linux/man-pages/man3/errno.3.html">errno(3)</a>,
   *     or 0 if it was not the kernel that refused
   */
  public int errno() {
    return errno;
  }

  /**
   * Returns the name of the kernel's reason.
   *
   * @return for example {@code "ENOENT"}, or an empty string if it was not the kernel that refused
   */
  public String errnoName() {
    return errno == 0 ? "" : Errno.name(errno);
  }

  /**
   * Says what to do about it.
   *
   * @return a sentence
   */
  public String remedy() {
    return remedy;
  }

  /**
   * Tells whether the same launch may succeed later: the machine was short of memory or processes,
   * or the budget of memory.
   *
   * @return true for ENOMEM and EAGAIN, and for {@link LaunchStep#BUDGET}
   */
  public boolean isRetryable() {
    return errno == Errno.ENOMEM || errno == Errno.EAGAIN || step == LaunchStep.BUDGET;
  }
}
