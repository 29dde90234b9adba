package io.memguard.platform;

import java.util.Optional;

/** Which pid namespace {@code /proc} is of. */
public final class PidNamespace {
  private PidNamespace() {}

  /**
   * Tells whether the pids of a {@code /proc} are those of our own pid namespace. In one that was
   * mounted further out, as after {@code unshare -fp} without {@code --mount-proc}, our numbers are
   * other processes'.
   *
   * @param status what {@code /proc/self/status} says there: its line NSpid (Linux 4.1) has a
   *     number for each pid namespace from that of the mount down to ours, proc_pid_status(5)
   */
  public static boolean isThatOfProc(String status) {
    String own = Long.toString(ProcessHandle.current().pid());
    return line(status, "NSpid:").or(() -> line(status, "Pid:")).filter(own::equals).isPresent();
  }

  private static Optional<String> line(String status, String key) {
    return status
        .lines()
        .filter(line -> line.startsWith(key))
        .map(line -> line.substring(key.length()).strip())
        .findFirst();
  }
}
