package io.memguard.support;

import java.nio.file.Path;
import java.util.Objects;

/**
 * Workers for pools: the Python kit of the examples, with a handler of which anything can be asked.
 */
public final class PoolWorkers {
  private static final Path KIT = Path.of("../memguard-examples/workers").toAbsolutePath();

  private PoolWorkers() {}

  /** See the script for what it understands. */
  public static ProcessBuilder anything() {
    ProcessBuilder worker =
        new ProcessBuilder(Children.python("").command().get(0), "-S", script().toString());
    worker.environment().put("WORKER_KIT", KIT.toString());
    worker.environment().put("PYTHONDONTWRITEBYTECODE", "1");
    return worker;
  }

  /** The same, with Python code that runs before it is ready. */
  public static ProcessBuilder startingWith(String code) {
    ProcessBuilder worker = anything();
    worker.environment().put("START", code);
    return worker;
  }

  private static Path script() {
    return Path.of(
        Objects.requireNonNull(PoolWorkers.class.getResource("/pool_worker.py")).getPath());
  }
}
