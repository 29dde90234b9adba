package io.memguard.recover;

import java.util.List;

/**
 * A task was set aside: every attempt that its policy allows has failed, and each cost a worker.
 * The cause is that of the last attempt, where that ran out of memory.
 */
public final class TaskQuarantinedException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final transient List<TaskAttempt> attempts;

  TaskQuarantinedException(List<TaskAttempt> attempts) {
    super(message(attempts), last(attempts).reason().orElse(null));
    this.attempts = List.copyOf(attempts);
  }

  private static String message(List<TaskAttempt> attempts) {
    return "The task was set aside after "
        + attempts.size()
        + (attempts.size() == 1 ? " attempt" : " attempts")
        + "; the last: "
        + last(attempts).explanation();
  }

  private static TaskAttempt last(List<TaskAttempt> attempts) {
    return attempts.get(attempts.size() - 1);
  }

  /**
   * Returns the attempts.
   *
   * @return one or more, the first one first
   */
  public List<TaskAttempt> attempts() {
    return attempts;
  }
}
