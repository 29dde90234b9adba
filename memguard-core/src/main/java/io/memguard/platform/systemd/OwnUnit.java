package io.memguard.platform.systemd;

import io.memguard.doctor.SystemdUnit;
import io.memguard.platform.cgroup.Machine;
import java.io.IOException;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Finds the unit of systemd's that this process is in, by its cgroup's path, and asks systemctl(1)
 * what it does when the kernel kills one of the unit's processes.
 *
 * @see <a href="https://systemd.io/CGROUP_DELEGATION/">Control Group APIs and Delegation</a>
 */
public final class OwnUnit {
  /** The unit's are in the unified hierarchy, or in systemd's own of cgroup v1. */
  private static final Pattern PATH = Pattern.compile("(?m)^(?:0:|\\d+:name=systemd):(/.*)$");

  private static final Pattern UNIT = Pattern.compile("[^/]+\\.(?:service|scope)");

  /**
   * Its runtime's, and its units are none of ours: it shares the machine's namespaces (hostPID).
   */
  private static final Pattern CONTAINERS =
      Pattern.compile("(?:docker|libpod|crio|cri-containerd)-[^/]+\\.scope");

  private static final Pattern USERS_MANAGER = Pattern.compile("user@\\d+\\.service");

  private static final String FIRST = "/proc/1/comm";

  /** As sd_booted(3) looks. */
  private static final String BOOTED = "/run/systemd/system";

  private final Machine machine;
  private final String path;
  private final Duration patience;
  private boolean known;
  private Optional<SystemdUnit> found = Optional.empty();

  /**
   * Prepares to look.
   *
   * @param machine where {@code /proc} is looked at
   * @param path the directories in which systemctl is looked for, with colons between
   * @param patience how long it may take to answer
   */
  public OwnUnit(Machine machine, String path, Duration patience) {
    this.machine = machine;
    this.path = path;
    this.patience = patience;
  }

  /**
   * Looks, and asks, when it is called first: what it costs is a process. Safe to share between
   * threads.
   *
   * @return empty where systemd is not the first process, or this process is in no unit. Where the
   *     first process cannot be seen ({@code hidepid}, {@code ProtectProc=}) and systemd runs, the
   *     unit is known and what it does is not
   */
  public synchronized Optional<SystemdUnit> find() {
    if (!known) {
      found = look();
      known = !Thread.currentThread().isInterrupted();
    }
    return found;
  }

  private Optional<SystemdUnit> look() {
    Optional<String> obstacle = Systemd.obstacle(machine);
    boolean mayBeSystemd = !machine.has(FIRST) && machine.has(BOOTED);
    if (obstacle.isPresent() && !mayBeSystemd) {
      return Optional.empty();
    }
    Matcher lines = PATH.matcher(machine.read("/proc/self/cgroup").orElse(""));
    while (lines.find()) {
      List<String> names = Arrays.asList(lines.group(1).split("/", -1));
      for (int at = names.size() - 1; at >= 0; at--) {
        String name = names.get(at);
        if (CONTAINERS.matcher(name).matches()) {
          return Optional.empty();
        }
        if (UNIT.matcher(name).matches()) {
          boolean ofUser = names.subList(0, at).stream().anyMatch(USERS_MANAGER.asMatchPredicate());
          return Optional.of(
              obstacle.map(why -> unknown(name, ofUser, why)).orElseGet(() -> ask(name, ofUser)));
        }
      }
    }
    return Optional.empty();
  }

  private SystemdUnit ask(String name, boolean ofUser) {
    Optional<String> systemctl = Systemd.find(path, "systemctl");
    if (systemctl.isEmpty()) {
      return unknown(name, ofUser, "systemctl was not found on the PATH " + path);
    }
    List<String> command =
        List.of(
            systemctl.get(),
            ofUser ? "--user" : "--system",
            "show",
            "--property=OOMPolicy,Delegate",
            "--",
            name);
    try {
      return Systemd.ask(command, patience)
          .map(
              answer ->
                  answer.status() == 0
                      ? told(name, ofUser, answer.said())
                      : unknown(
                          name,
                          ofUser,
                          "systemctl exited with " + answer.status() + ", " + answer.said()))
          .orElseGet(() -> unknown(name, ofUser, "systemctl has not answered in time"));
    } catch (IOException e) {
      return unknown(name, ofUser, "systemctl cannot be started: " + e.getMessage());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return unknown(name, ofUser, "interrupted while systemctl was asked");
    }
  }

  /** Scopes have a policy since systemd 253. */
  static SystemdUnit told(String name, boolean ofUser, String answer) {
    return new SystemdUnit(
        name,
        ofUser,
        value(answer, "OOMPolicy"),
        value(answer, "Delegate").map("yes"::equals),
        Optional.empty());
  }

  private static Optional<String> value(String answer, String key) {
    return answer
        .lines()
        .filter(line -> line.startsWith(key + "="))
        .map(line -> line.substring(key.length() + 1))
        .filter(value -> !value.isEmpty())
        .findFirst();
  }

  private static SystemdUnit unknown(String name, boolean ofUser, String why) {
    return new SystemdUnit(name, ofUser, Optional.empty(), Optional.empty(), Optional.of(why));
  }
}
