package io.memguard.benchmarks;

import io.memguard.Capabilities.Engine;
import io.memguard.GuardedProcess;
import io.memguard.MemoryGuard;
import io.memguard.events.MemoryGuardListener;
import io.memguard.limits.GuardOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;

/** memguard, as a user has it: one guard, and a limit a launch. */
final class GuardedLauncher implements Launcher {
  /** True to have a listener, which costs something even if it does nothing. */
  private static final String LISTENED = "memguard.benchmark.listener";

  private static final MemoryLimits LIMITS = MemoryLimits.of("512MiB");

  private final MemoryGuard guard;
  private final MemoryLimits limits;

  private GuardedLauncher(Engine engine, MemoryLimits limits) {
    System.setProperty(
        MemoryGuard.ENGINE_PROPERTY, engine == Engine.NATIVE ? "native" : "portable");
    GuardOptions options = GuardOptions.defaults();
    this.guard =
        MemoryGuard.create(
            Boolean.getBoolean(LISTENED)
                ? options.withListener(new MemoryGuardListener() {})
                : options);
    this.limits = limits;
  }

  static Launcher withWitness() {
    // Required, so that nothing cheaper than it is measured in its name.
    return new GuardedLauncher(Engine.NATIVE, LIMITS.with(Protection.WITNESS, Requirement.REQUIRE));
  }

  static Launcher withoutWitness() {
    return new GuardedLauncher(Engine.NATIVE, LIMITS.with(Protection.WITNESS, Requirement.OFF));
  }

  static Launcher portable() {
    return new GuardedLauncher(Engine.PORTABLE, LIMITS);
  }

  @Override
  public Started start() throws Exception {
    GuardedProcess process = guard.start(new ProcessBuilder(Way.PROGRAM), limits);
    return process::waitFor;
  }

  @Override
  public void close() {
    guard.close();
  }
}
