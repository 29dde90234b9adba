package io.memguard.recover;

/**
 * A pool cannot start its workers, and has given up: all its tasks end with this, and it takes no
 * new ones. The message tells why the last worker did not start.
 */
public final class PoolBrokenException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  PoolBrokenException(String message, Throwable cause) {
    super(message, cause);
  }
}
