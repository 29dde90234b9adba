package io.memguard;

import io.memguard.launch.LaunchException;
import io.memguard.launch.LaunchStep;
import io.memguard.launch.engine.LaunchPlan;
import io.memguard.launch.engine.PortableLauncher;
import io.memguard.watch.LeafHints;
import java.util.Optional;

/** Starts children through the JDK, where the native library cannot be used. */
final class PortableEngine implements Engine {
  private final PortableLauncher launcher = new PortableLauncher();

  @Override
  public Child launch(
      LaunchPlan plan, Witnesses.Preload preload, Leaves.Lease lease, boolean unread)
      throws LaunchException {
    PortableLauncher.Started started =
        launcher.launch(plan, preload.variables(plan.environment()), lease.directory());
    try {
      return new PortableChild(started, unread);
    } catch (OutOfMemoryError e) { // no thread is to be had that reads what it writes
      started.process().destroyForcibly();
      throw new LaunchException(LaunchStep.WATCH, 0, String.valueOf(e.getMessage()), MORE_THREADS);
    }
  }

  @Override
  public Capabilities.Engine kind() {
    return Capabilities.Engine.PORTABLE;
  }

  @Override
  public Optional<LeafHints> hints() {
    return Optional.empty();
  }

  @Override
  public void close() {}
}
