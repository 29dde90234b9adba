package io.memguard;

import io.memguard.launch.LaunchException;
import io.memguard.launch.engine.LaunchPlan;
import io.memguard.launch.engine.Launched;
import io.memguard.launch.engine.NativeLauncher;
import io.memguard.watch.LeafHints;
import io.memguard.watch.Watcher;
import java.io.IOException;
import java.util.Optional;

/** Starts children in the JVM's own process, and watches them with one thread. */
final class NativeEngine implements Engine {
  private final NativeLauncher launcher = new NativeLauncher();
  private final Watcher watcher;
  private final LeafHints hints;

  NativeEngine() throws IOException {
    watcher = new Watcher();
    hints = new LeafHints(watcher);
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
  public Optional<LeafHints> hints() {
    return Optional.of(hints);
  }

  @Override
  public void close() {
    launcher.close();
    hints.close();
    watcher.close();
  }
}
