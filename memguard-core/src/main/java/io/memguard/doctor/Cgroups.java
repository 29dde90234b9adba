package io.memguard.doctor;

import io.memguard.limits.MemorySize;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * The cgroups that account this process's memory, as far as they can be seen from here.
 *
 * @param version which cgroups the memory controller is in
 * @param mount where they are mounted; empty if they cannot be seen
 * @param readOnly whether nothing can be changed through that mount
 * @param levels this process's own cgroup first, the highest visible last; none if they cannot be
 *     seen
 * @param hidden why there may be others above that cannot be seen; empty if all are
 * @param groupKill the cgroup that the kernel kills as a whole, this process with it
 * @see <a href="https://docs.kernel.org/admin-guide/cgroup-v2.html">the kernel's documentation</a>
 */
public record Cgroups(
    Version version,
    Optional<String> mount,
    boolean readOnly,
    List<Level> levels,
    Optional<String> hidden,
    Optional<GroupKill> groupKill) {

  /**
   * Copies the list.
   *
   * @param version which cgroups the memory controller is in
   * @param mount where they are mounted
   * @param readOnly whether nothing can be changed through that mount
   * @param levels this process's own cgroup first
   * @param hidden why there may be others above that cannot be seen
   * @param groupKill the cgroup that the kernel kills as a whole
   */
  public Cgroups {
    levels = List.copyOf(levels);
  }

  /** Tells whether nothing at all is known of them. */
  boolean areUnseen() {
    return version == Version.NONE;
  }

  /** Where the memory controller is. */
  public enum Version {
    /** In the unified hierarchy. */
    V2,
    /** In a hierarchy of cgroup v1. */
    V1,
    /** In a hierarchy of cgroup v1, with v2 mounted besides. */
    HYBRID,
    /** Nowhere that can be seen. */
    NONE;

    /**
     * Returns the name as the command line and its JSON write it.
     *
     * @return for example {@code "v2"}
     */
    public String label() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /**
   * One cgroup. What the kernel does not have, or what is set to "no limit", is empty.
   *
   * @param path its name, as {@code /proc/self/cgroup} has it
   * @param maxBytes where the kernel kills: {@code memory.max} or {@code memory.limit_in_bytes}
   * @param highBytes from where on the kernel slows down: {@code memory.high}
   * @param swapBytes how much may be swapped out ({@code memory.swap.max}), or on cgroup v1 be in
   *     memory and swap together ({@code memory.memsw.limit_in_bytes})
   * @param usedBytes what all below it have now, page cache included
   * @param oomGroup whether its processes are killed all together; cgroup v2 only
   */
  public record Level(
      String path,
      OptionalLong maxBytes,
      OptionalLong highBytes,
      OptionalLong swapBytes,
      OptionalLong usedBytes,
      Optional<Boolean> oomGroup) {}

  /**
   * A cgroup that is killed as a whole ({@code memory.oom.group}), with this process in it.
   *
   * @param cgroup the path of the highest such one
   * @param limitOf the path of the lowest visible cgroup with a limit at which that happens: that
   *     one or one above; empty if none can be seen
   * @param limitBytes that limit
   */
  public record GroupKill(String cgroup, Optional<String> limitOf, OptionalLong limitBytes) {
    /** Says so in a clause. */
    @Override
    public String toString() {
      return "cgroup "
          + cgroup
          + " has memory.oom.group set, and "
          + limitOf
              .map(
                  path ->
                      "cgroup "
                          + path
                          + " a limit of "
                          + MemorySize.format(limitBytes.orElseThrow()))
              .orElse("no cgroup from there up shows a limit");
    }
  }
}
