package io.memguard.launch.engine;

import io.memguard.launch.LaunchException;
import io.memguard.launch.LaunchStep;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import io.memguard.limits.Requirement;
import io.memguard.limits.ResourceLimit;
import io.memguard.platform.Errno;
import io.memguard.platform.Linux;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.RejectedExecutionException;

/**
 * Starts children through {@code guard_spawn}, in the JVM's own process.
 *
 * <p>Safe to share between threads. {@link #close} ends the one thread it may own.
 */
public final class NativeLauncher implements AutoCloseable {
  private static final int RESULT_BYTES = 48 + 4 * 16;

  /**
   * The kernel ties a child's death to the thread that cloned it: this one lives as long as the
   * guard.
   */
  private final ExecutorService lastingThread =
      Executors.newSingleThreadExecutor(
          task -> {
            Thread thread = new Thread(task, "memguard-launcher");
            thread.setDaemon(true);
            return thread;
          });

  /**
   * Starts a child. It is this caller's to reap, and its descriptors are this caller's to close.
   *
   * @param variables what its environment has besides the plan's, or instead of it
   * @param cgroup the directory of the cgroup that it is to live in; empty for this process's own
   * @throws LaunchException if it cannot be started; nothing is left behind then
   */
  public Launched launch(LaunchPlan plan, Map<String, String> variables, Optional<Path> cgroup)
      throws LaunchException {
    List<ResourceLimit> limits = new ArrayList<>(plan.limits().rlimits().values());
    limits.removeIf(limit -> !plan.limits().armed(limit.resource()));
    byte[] request = LaunchRequest.encode(plan, limits, variables, cgroup);
    byte[] answer = new byte[RESULT_BYTES];
    spawn(plan, request, answer);
    ByteBuffer result = ByteBuffer.wrap(answer).order(ByteOrder.nativeOrder());
    int step = result.getInt();
    int errno = result.getInt();
    if (step != 0) {
      throw LaunchFailure.of(plan, step, errno);
    }
    int pid = result.getInt();
    int pidfd = result.getInt();
    int stdin = result.getInt();
    int stdout = result.getInt();
    int stderr = result.getInt();
    int oomScoreAdjError = result.getInt();
    int cgroupError = result.getInt();
    result.getInt(); // reserved
    long parentPeakRssBytes = result.getLong() * 1024;
    Map<Protection, ProtectionState> protections = new EnumMap<>(Protection.class);
    oomScoreAdj(plan, oomScoreAdjError)
        .ifPresent(state -> protections.put(Protection.OOM_SCORE_ADJ, state));
    cgroup.ifPresent(leaf -> protections.put(Protection.CGROUP_LEAF, leaf(leaf, cgroupError)));
    for (ResourceLimit limit : limits) {
      rlimit(limit, result.getInt(), protections);
    }
    return new Launched(pid, pidfd, stdin, stdout, stderr, parentPeakRssBytes, protections);
  }

  private void spawn(LaunchPlan plan, byte[] request, byte[] answer) throws LaunchException {
    if (!plan.options().dieWithParent()) {
      Linux.guard_spawn(request, answer);
      return;
    }
    try {
      CompletableFuture.runAsync(() -> Linux.guard_spawn(request, answer), lastingThread).join();
    } catch (RejectedExecutionException e) {
      throw new LaunchException(
          LaunchStep.PREPARE, 0, "the guard is closed", "Create another MemoryGuard.");
    } catch (OutOfMemoryError e) {
      throw new LaunchException(
          LaunchStep.CLONE,
          Errno.EAGAIN,
          "no thread for it can be started",
          "There are too many processes and threads (RLIMIT_NPROC, or pids.max of the cgroup).");
    }
  }

  private static Optional<ProtectionState> oomScoreAdj(LaunchPlan plan, int error) {
    int adj = plan.limits().oomScoreAdj();
    if (plan.limits().requirement(Protection.OOM_SCORE_ADJ) == Requirement.OFF) {
      return Optional.empty();
    }
    return Optional.of(
        error == 0
            ? ProtectionState.active("oom_score_adj " + adj)
            : ProtectionState.inactive(
                "the kernel refused oom_score_adj "
                    + adj
                    + " ("
                    + Errno.name(error)
                    + "), and it has its parent's; to be below that needs CAP_SYS_RESOURCE"));
  }

  private static ProtectionState leaf(Path cgroup, int error) {
    return error == 0
        ? ProtectionState.active("it lives in " + cgroup)
        : ProtectionState.inactive(
            "the child could not enter " + cgroup + " (" + Errno.name(error) + ")");
  }

  private static void rlimit(
      ResourceLimit limit, int error, Map<Protection, ProtectionState> protections) {
    ProtectionState state =
        error == 0
            ? ProtectionState.active(limit.toString())
            : ProtectionState.inactive(
                "the kernel refused "
                    + limit
                    + " ("
                    + Errno.name(error)
                    + "): the parent's own hard limit is lower, and holds for the child");
    switch (limit.resource()) {
      case DATA -> protections.put(Protection.RLIMIT_DATA, state);
      case AS -> protections.put(Protection.RLIMIT_AS, state);
      default -> {}
    }
  }

  @Override
  public void close() {
    lastingThread.shutdown();
  }
}
