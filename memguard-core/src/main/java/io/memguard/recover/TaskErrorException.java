package io.memguard.recover;

/**
 * A worker answered that its task failed, and lives on: an error of the task's own, which is not
 * tried again. The message is the worker's.
 */
public final class TaskErrorException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  TaskErrorException(String message) {
    super(message);
  }
}
