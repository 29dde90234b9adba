package io.memguard;

import io.memguard.launch.LaunchException;
import io.memguard.launch.engine.LaunchPlan;
import io.memguard.watch.LeafHints;
import java.util.Optional;

/** One of the two ways to start and watch children. */
interface Engine extends AutoCloseable {
  /** What helps where a child's output, or its memory, has no thread to look after it. */
  String MORE_THREADS =
      "See ulimit -u, ulimit -v and pids.max of the JVM; run fewer children at a time.";

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
