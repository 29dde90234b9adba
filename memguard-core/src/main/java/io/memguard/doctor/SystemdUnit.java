package io.memguard.doctor;

import java.util.Optional;

/**
 * The service or scope of systemd's that this process is in.
 *
 * @param name for example {@code "app.service"}
 * @param ofUser whether it is one of a user's own manager
 * @param oomPolicy its {@code OOMPolicy=}: {@code continue}, {@code stop} or {@code kill}; empty if
 *     systemd did not tell, or has none for such a unit (services before 243, scopes before 253)
 * @param delegated whether its cgroup is its own to change ({@code Delegate=}); empty if systemd
 *     did not tell
 * @param unknown why systemd did not tell
 * @see <a
 *     href="https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html#OOMPolicy=">
 *     systemd.service(5)</a>
 */
public record SystemdUnit(
    String name,
    boolean ofUser,
    Optional<String> oomPolicy,
    Optional<Boolean> delegated,
    Optional<String> unknown) {

  /**
   * Tells whether systemd ends all of the unit when the kernel has killed one of its processes for
   * lack of memory: it does with {@code stop}, which is the default, and with {@code kill}. Where
   * systemd did not tell, the default is expected.
   *
   * @return true if it does, or has to be expected to
   */
  public boolean endsTogether() {
    return oomPolicy.map(policy -> !policy.equals("continue")).orElse(unknown.isPresent());
  }
}
