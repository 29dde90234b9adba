package io.memguard.platform;

import java.util.HashSet;
import java.util.Set;

/**
 * Buries orphans where this process is the first of its PID namespace, as in a container: the
 * kernel gives them to it when their parent dies, and they stay zombies until somebody asks for
 * their status. Elsewhere it does nothing.
 *
 * <p>The children somebody here waits for are spared; for that, all must be started through {@link
 * #sparing}. It takes over the whole process, so no library code but a program's own {@code main}
 * may use it.
 */
public final class OrphanReaper {
  private static final long LOOK_AGAIN_MILLIS = 100;
  private static final int FIRST = 1;

  private final Set<Long> spared = new HashSet<>();

  private OrphanReaper() {}

  /** Starts the reaper, on a daemon thread. */
  public static OrphanReaper start() {
    OrphanReaper reaper = new OrphanReaper();
    if (ProcessHandle.current().pid() == FIRST && Linux.isLoaded()) {
      Thread thread = new Thread(reaper::loop, "memguard-orphans");
      thread.setDaemon(true);
      thread.start();
    }
    return reaper;
  }

  /**
   * Starts a child.
   *
   * @param <P> its type
   * @param <X> what starting may throw
   */
  @FunctionalInterface
  public interface Start<P extends Process, X extends Exception> {
    P start() throws X;
  }

  /** Starts a child that is not this reaper's, not even if it has ended before this returns. */
  @SuppressWarnings("FutureReturnValueIgnored") // the action speaks for itself
  public synchronized <P extends Process, X extends Exception> P sparing(Start<P, X> start)
      throws X {
    P child = start.start();
    spared.add(child.pid());
    child.onExit().thenRun(() -> forget(child.pid()));
    return child;
  }

  private synchronized void forget(long pid) {
    spared.remove(pid);
  }

  private void loop() {
    try {
      while (true) {
        while (buryOne()) {}
        Thread.sleep(LOOK_AGAIN_MILLIS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt(); // nobody does
    }
  }

  /** A spared one that has ended hides those behind it, until its own waiter takes it away. */
  private synchronized boolean buryOne() {
    int pid = Linux.guard_zombie();
    return pid > 0 && !spared.contains((long) pid) && Linux.guard_bury(pid) == 0;
  }
}
