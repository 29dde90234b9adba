package io.memguard;

import io.memguard.launch.LaunchException;
import io.memguard.launch.engine.LaunchPlan;
import io.memguard.watch.LeafHints;
import java.util.Optional;

/** One of the two ways to start and watch children. */
interface Engine extends AutoCloseable {
  /**
   * Starts a child.
   *
   * @param plan what to start
   * @param preload the witness to load into it, or an inactive one
   * @param lease the cgroup for it to live in, or none
   * @param unread true if the caller does not read its pipes: the engine empties them then
   */
  Child launch(LaunchPlan plan, Witnesses.Preload preload, Leaves.Lease lease, boolean unread)
      throws LaunchException;

  Capabilities.Engine kind();

  /** Returns what tells when something happens in a leaf; empty without an event loop. */
  Optional<LeafHints> hints();

  @Override
  void close();
}
