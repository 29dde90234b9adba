package io.memguard.doctor;

import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * What was found around this process that decides what becomes of it when memory is short: in
 * {@code /proc} (proc(5)), in the files of its cgroups (cgroups(7)), in its environment, and by
 * systemctl(1).
 *
 * @param places where this process is, each with the sign that says so; never empty
 * @param cgroups the cgroups that account its memory
 * @param leaves whether a child can have a cgroup of its own
 * @param unit the unit of systemd's that it is in; empty without systemd
 * @param memory what the machine has
 * @param overcommit how the kernel promises memory; empty if it does not tell
 * @param pressure how long was waited for memory; empty if the kernel does not tell (PSI)
 * @param oomScoreAdj this process's own, -1000 to 1000
 * @param seccompFilter whether a seccomp filter is on this process ({@code /proc/self/status})
 * @param clone3 whether clone3(2) can be called, by which children enter their cgroups
 * @param kernelLogObstacle why the kernel's log cannot be read; empty if it can
 */
public record Surroundings(
    List<Place.Sighting> places,
    Cgroups cgroups,
    LeafRoom leaves,
    Optional<SystemdUnit> unit,
    Memory memory,
    Optional<Overcommit> overcommit,
    Optional<Pressure> pressure,
    int oomScoreAdj,
    boolean seccompFilter,
    Clone3 clone3,
    Optional<String> kernelLogObstacle) {

  /**
   * Copies the list.
   *
   * @param places where this process is
   * @param cgroups the cgroups that account its memory
   * @param leaves whether a child can have a cgroup of its own
   * @param unit the unit of systemd's that it is in
   * @param memory what the machine has
   * @param overcommit how the kernel promises memory
   * @param pressure how long was waited for memory
   * @param oomScoreAdj this process's own
   * @param seccompFilter whether a seccomp filter is on this process
   * @param clone3 whether clone3(2) can be called
   * @param kernelLogObstacle why the kernel's log cannot be read
   */
  public Surroundings {
    places = List.copyOf(places);
  }

  /** Whether clone3(2) can be called. Container runtimes often answer it with ENOSYS. */
  public enum Clone3 {
    /** It can: a child begins in its cgroup. */
    WORKS,
    /** The kernel or a seccomp filter answers ENOSYS or EPERM: a child joins before it execs. */
    REFUSED,
    /** The native library was not loaded. */
    UNKNOWN
  }

  /** A pod's class, which the kubelet tells by {@code oom_score_adj} and in no other way. */
  public enum Qos {
    /** Requests are limits: -997. */
    GUARANTEED,
    /** Something is requested: 2 to 999. */
    BURSTABLE,
    /** Nothing is requested: 1000. */
    BEST_EFFORT
  }

  /**
   * The machine's memory, from {@code /proc/meminfo}, in bytes; empty if it does not tell.
   *
   * @param total {@code MemTotal}
   * @param available {@code MemAvailable}
   * @param swapTotal {@code SwapTotal}
   * @param swapFree {@code SwapFree}
   */
  public record Memory(
      OptionalLong total, OptionalLong available, OptionalLong swapTotal, OptionalLong swapFree) {}

  /**
   * How the kernel promises memory.
   *
   * @param mode {@code vm.overcommit_memory}: 0 refuses what is absurd, 1 nothing, 2 what exceeds
   *     the limit
   * @param limitBytes {@code CommitLimit} of {@code /proc/meminfo}, which counts in mode 2 only
   * @param promisedBytes {@code Committed_AS}
   * @see <a href="https://docs.kernel.org/mm/overcommit-accounting.html">the kernel's
   *     documentation</a>
   */
  public record Overcommit(int mode, OptionalLong limitBytes, OptionalLong promisedBytes) {
    /**
     * Returns how much more can be promised until mmap and fork are refused.
     *
     * @return in bytes, never negative; empty but in mode 2
     */
    public OptionalLong headroomBytes() {
      return mode == 2 && limitBytes.isPresent() && promisedBytes.isPresent()
          ? OptionalLong.of(Math.max(0, limitBytes.getAsLong() - promisedBytes.getAsLong()))
          : OptionalLong.empty();
    }
  }

  /**
   * How long processes waited for memory of late.
   *
   * @param source the file that says so: that of this process's own cgroup, or the machine's
   * @param someAvg10 percent of the last 10 seconds in which some process waited
   * @param fullAvg10 percent of them in which all did
   * @see <a href="https://docs.kernel.org/accounting/psi.html">the kernel's documentation</a>
   */
  public record Pressure(String source, double someAvg10, double fullAvg10) {}

  /**
   * Tells whether this is one of the places where the process is.
   *
   * @param place which
   * @return true if it is
   */
  public boolean isIn(Place place) {
    return places.stream().anyMatch(sighting -> sighting.place() == place);
  }

  /**
   * Returns the class of the pod that {@link #oomScoreAdj} suggests: anybody may have raised it.
   *
   * @return empty outside of a pod, and where the kubelet gives no class such a value
   */
  public Optional<Qos> qos() {
    if (!isIn(Place.POD)) {
      return Optional.empty();
    }
    if (oomScoreAdj == -997) {
      return Optional.of(Qos.GUARANTEED);
    }
    if (oomScoreAdj == 1000) {
      return Optional.of(Qos.BEST_EFFORT);
    }
    return oomScoreAdj >= 2 && oomScoreAdj <= 999 ? Optional.of(Qos.BURSTABLE) : Optional.empty();
  }
}
