package io.memguard.benchmarks;

/** Starts {@code /bin/true}; may be shared between threads. */
interface Launcher extends AutoCloseable {
  /** A child that runs. */
  interface Started {
    /** Waits for its end and returns its exit status. */
    int await() throws Exception;
  }

  Started start() throws Exception;

  @Override
  default void close() {}
}
