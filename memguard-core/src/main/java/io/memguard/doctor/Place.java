package io.memguard.doctor;

import java.util.Locale;

/**
 * A kind of place that a process can be in, told by signs such as systemd-detect-virt(1) looks for.
 * Several can hold at once.
 */
public enum Place {
  /** None of the others but {@link #SYSTEMD_UNIT} and {@link #WSL}, as far as can be seen. */
  HOST,
  /** A container, of whatever runtime. */
  CONTAINER,
  /** A container of a Kubernetes pod. */
  POD,
  /** gVisor, whose kernel is a program of its own. */
  GVISOR,
  /** The Windows Subsystem for Linux. */
  WSL,
  /** A service or scope of a systemd that is this process's own first process. */
  SYSTEMD_UNIT;

  /**
   * Returns the name in kebab-case, as the command line and its JSON write it.
   *
   * @return for example {@code "systemd-unit"}
   */
  public String label() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /**
   * A place, and what it was told by.
   *
   * @param place where
   * @param sign the file or variable that says so, a clause for people
   */
  public record Sighting(Place place, String sign) {}
}
