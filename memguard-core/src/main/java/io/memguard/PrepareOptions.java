package io.memguard;

import io.memguard.limits.MemorySize;
import java.util.OptionalLong;

/**
 * Says what {@link MemoryGuard#prepare} does besides making room for the children's cgroups.
 *
 * @param memoryMin how much memory of this process, and of those beside it, the kernel does not
 *     take back while others of the same container or service can give some: {@code memory.min} of
 *     their cgroup, in bytes, 0 or more; empty to leave it as it is
 * @param disarmOomGroup whether {@code memory.oom.group} of the cgroup around is to be 0, so that
 *     the kernel, when that reaches its limit, kills one process and not all together
 * @param systemdScope whether systemd is asked for a scope of this JVM's own where the cgroup it is
 *     in was not delegated
 * @see <a href="https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files">the
 *     kernel on memory.min and memory.oom.group</a>
 * @see <a
 *     href="https://www.freedesktop.org/software/systemd/man/latest/systemd.scope.html">systemd.scope(5)</a>
 */
public record PrepareOptions(OptionalLong memoryMin, boolean disarmOomGroup, boolean systemdScope) {
  private static final PrepareOptions DEFAULTS =
      new PrepareOptions(OptionalLong.empty(), false, false);

  /**
   * Checks the values.
   *
   * @param memoryMin {@code memory.min} of the supervisor's cgroup, in bytes; empty to leave it
   * @param disarmOomGroup whether {@code memory.oom.group} of the cgroup around is to be 0
   * @param systemdScope whether systemd is asked for a scope of this JVM's own
   * @throws IllegalArgumentException if {@code memoryMin} is negative
   */
  public PrepareOptions {
    if (memoryMin.orElse(0) < 0) {
      throw new IllegalArgumentException(
          "memory.min "
              + memoryMin.getAsLong()
              + " is negative; allowed is 0 to "
              + Long.MAX_VALUE
              + " bytes");
    }
  }

  /**
   * Returns what holds where nothing is said: make room, and nothing else.
   *
   * @return the defaults
   */
  public static PrepareOptions defaults() {
    return DEFAULTS;
  }

  /**
   * Protects this process's memory, and that of those beside it, from being taken back.
   *
   * @param bytes 0 or more; the kernel rounds down to whole pages
   * @return the new options
   * @throws IllegalArgumentException if it is negative
   */
  public PrepareOptions withMemoryMin(long bytes) {
    return new PrepareOptions(OptionalLong.of(bytes), disarmOomGroup, systemdScope);
  }

  /**
   * Protects this process's memory, and that of those beside it, from being taken back.
   *
   * @param size for example {@code "64MiB"}; see {@link MemorySize#parse}
   * @return the new options
   * @throws IllegalArgumentException if the text is no amount of memory from one byte up
   */
  public PrepareOptions withMemoryMin(String size) {
    return withMemoryMin(MemorySize.parse(size));
  }

  /**
   * Has the kernel kill one process, and not all together, when the cgroup around reaches its
   * limit.
   *
   * @param value true to have it so
   * @return the new options
   */
  public PrepareOptions withDisarmOomGroup(boolean value) {
    return new PrepareOptions(memoryMin, value, systemdScope);
  }

  /**
   * Asks systemd for a scope of this JVM's own where the cgroup it is in was not delegated. Without
   * it that cgroup itself is changed, if this user may: right in a container, and in a unit of
   * systemd's wrong, since systemd may undo it at any time.
   *
   * @param value true to have it so
   * @return the new options
   */
  public PrepareOptions withSystemdScope(boolean value) {
    return new PrepareOptions(memoryMin, disarmOomGroup, value);
  }
}
