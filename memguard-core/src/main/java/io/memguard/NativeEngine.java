package io.memguard;

import io.memguard.launch.LaunchException;
import io.memguard.launch.engine.LaunchPlan;
import io.memguard.launch.engine.Launched;
import io.memguard.launch.engine.NativeLauncher;
import io.memguard.watch.Watcher;
import java.io.IOException;

/** Starts children in the JVM's own process, and watches them with one thread. */
final class NativeEngine implements Engine {
  private final NativeLauncher launcher = new NativeLauncher();
  private final Watcher watcher;

  NativeEngine() throws IOException {
    watcher = new Watcher();
  }

  @Override
  public Child launch(
      LaunchPlan plan, Witnesses.Preload preload, Leaves.Lease lease, boolean unread)
      throws LaunchException {
    Launched launched =
        launcher.launch(plan, preload.variables(plan.environment()), lease.directory());
    return new NativeChild(watcher, launched, unread);
  }

  @Override
  public Capabilities.Engine kind() {
    return Capabilities.Engine.NATIVE;
  }

  @Override
  public void close() {
    launcher.close();
    watcher.close();
  }
}
