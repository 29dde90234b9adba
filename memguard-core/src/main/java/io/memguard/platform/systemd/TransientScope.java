package io.memguard.platform.systemd;

import io.memguard.platform.cgroup.Machine;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * Has systemd put this process into a scope of its own, whose cgroup is delegated: what is made
 * below it is this process's business and nobody else's (<a
 * href="https://systemd.io/CGROUP_DELEGATION/">Control Group APIs and Delegation</a>).
 *
 * <p>systemd is asked through busctl(1): the machine's manager as root, else the user's own. The
 * scope ends by itself when the last process in it has ended.
 *
 * <p>systemd is told a pid. In a container that can reach the machine's systemd, ours is somebody
 * else's there: it is asked only where it is the first process that we see, in a {@code /proc} of
 * our own pid namespace.
 */
public final class TransientScope {
  private static final String REMEDY =
      "; start this process with Delegate=yes instead: in its unit, or through systemd-run --scope -p"
          + " Delegate=yes (with --user unless root)";

  /**
   * Nothing is taken back: to stop the scope would be to end this process, if it is there by now.
   */
  private static final String LATE = "; systemd may still move this process there later";

  private static final long POLL_MILLIS = 10;

  private final Machine machine;
  private final String path;
  private final Duration patience;

  /**
   * Prepares to ask.
   *
   * @param machine where {@code /proc} is looked at
   * @param path the directories in which busctl is looked for, with colons between
   * @param patience how long systemd may take to answer, and as long again to act
   */
  public TransientScope(Machine machine, String path, Duration patience) {
    this.machine = machine;
    this.path = path;
    this.patience = patience;
  }

  /** Returns the name of this process's scope. */
  public static String name() {
    return "memguard-" + ProcessHandle.current().pid() + ".scope";
  }

  /**
   * Moves this process, with all its threads and no other process, into its scope.
   *
   * @throws IOException if systemd does not do it; the message says why, what to do instead, and
   *     whether it may still be done later
   */
  public void enter() throws IOException {
    refuseAnothersSystemd();
    try {
      call();
      await();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException("interrupted while systemd was asked for a scope" + LATE, e);
    }
  }

  private void refuseAnothersSystemd() throws IOException {
    Optional<String> obstacle = Systemd.obstacle(machine);
    if (obstacle.isPresent()) {
      throw new IOException("systemd cannot be asked for a scope: " + obstacle.get() + REMEDY);
    }
  }

  private void call() throws IOException, InterruptedException {
    String busctl =
        Systemd.find(path, "busctl")
            .orElseThrow(
                () ->
                    new IOException(
                        "systemd cannot be asked for a scope: the program busctl was not found on"
                            + " the PATH "
                            + path
                            + REMEDY));
    Systemd.Answer answer =
        Systemd.ask(command(busctl), patience)
            .orElseThrow(
                () ->
                    new IOException(
                        "busctl, asked for "
                            + name()
                            + ", has not answered within "
                            + seconds()
                            + " seconds"
                            + LATE
                            + REMEDY));
    if (answer.status() != 0) {
      throw new IOException(
          "systemd gives this process no scope: busctl exited with "
              + answer.status()
              + (answer.said().isEmpty() ? "" : ", " + answer.said())
              + REMEDY);
    }
  }

  private List<String> command(String busctl) {
    long pid = ProcessHandle.current().pid();
    List<String> command = new ArrayList<>(List.of(busctl));
    if (!isRoot()) {
      command.add("--user");
    }
    command.addAll(
        List.of(
            "call",
            "org.freedesktop.systemd1",
            "/org/freedesktop/systemd1",
            "org.freedesktop.systemd1.Manager",
            "StartTransientUnit",
            "ssa(sv)a(sa(sv))"));
    command.addAll(List.of(name(), "fail"));
    command.addAll(List.of("4", "PIDs", "au", "1", Long.toString(pid)));
    command.addAll(List.of("Delegate", "b", "true"));
    command.addAll(List.of("CollectMode", "s", "inactive-or-failed"));
    command.addAll(List.of("Description", "s", "A JVM and its guarded children"));
    command.add("0");
    return command;
  }

  /** By what the kernel says: {@code /proc/self} may be root's own for other reasons. */
  private boolean isRoot() {
    return machine
        .read("/proc/self/status")
        .orElse("")
        .lines()
        .filter(line -> line.startsWith("Uid:"))
        .map(line -> line.split("\\s+", -1))
        .anyMatch(ids -> ids.length > 2 && ids[2].equals("0"));
  }

  /** The answer only says that systemd is about to do it. */
  private void await() throws IOException, InterruptedException {
    long deadline = System.nanoTime() + patience.toNanos();
    while (!isInScope()) {
      if (System.nanoTime() - deadline > 0) {
        throw new IOException(
            "systemd has not moved this process into "
                + name()
                + " within "
                + seconds()
                + " seconds"
                + LATE
                + REMEDY);
      }
      TimeUnit.MILLISECONDS.sleep(POLL_MILLIS);
    }
  }

  private String seconds() {
    return Double.toString(patience.toMillis() / 1000.0);
  }

  private boolean isInScope() {
    return machine
        .read("/proc/self/cgroup")
        .orElse("")
        .lines()
        .anyMatch(line -> line.endsWith("/" + name()));
  }
}
