package io.memguard.recover;

import io.memguard.launch.LaunchException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A task was set aside: every attempt that its policy allows has failed, and each cost a worker.
 * The cause is that of the last attempt, where that ran out of memory. The attempts are not
 * serialized with it: of an exception that was read from a stream they are null.
 */
public final class TaskQuarantinedException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final transient List<TaskAttempt> attempts;

  /** After the last attempt. */
  TaskQuarantinedException(List<TaskAttempt> attempts) {
    this(
        attempts,
        "the last: " + last(attempts).explanation(),
        last(attempts).reason().orElse(null));
  }

  /** Without a worker for another attempt, or for the first. */
  TaskQuarantinedException(List<TaskAttempt> attempts, LaunchException reason) {
    this(attempts, "no worker of its size can be started: " + reason.getMessage(), reason);
  }

  private TaskQuarantinedException(
      List<TaskAttempt> attempts, String why, @Nullable Throwable cause) {
    super(
        "The task was set aside after "
            + attempts.size()
            + (attempts.size() == 1 ? " attempt; " : " attempts; ")
            + why,
        cause);
    this.attempts = List.copyOf(attempts);
  }

  private static TaskAttempt last(List<TaskAttempt> attempts) {
    return attempts.get(attempts.size() - 1);
  }

  /**
   * Returns the attempts.
   *
   * @return the first one first; none if no worker of the size that it asked for could be started
   */
  public List<TaskAttempt> attempts() {
    return attempts;
  }
}
