package io.memguard.events;

import io.memguard.limits.MemoryLimits;
import java.util.Objects;

/**
 * A child could not be started: what the {@code LaunchException} says that its caller gets.
 *
 * @param name what {@link io.memguard.limits.LaunchOptions#withName} calls it, or else the program
 * @param program the file name of what was to be launched, without its directory; empty if there
 *     was none
 * @param limits what was asked for
 * @param step what failed: the label of an {@code io.memguard.launch.LaunchStep}, for example
 *     {@code "exec"}
 * @param errno the kernel's reason, for example {@code "ENOENT"}; empty if it was not the kernel
 * @param message all of it, for people
 * @param next {@link WhatNext#RETRY} if it is tried again
 */
public record FailedLaunch(
    String name,
    String program,
    MemoryLimits limits,
    String step,
    String errno,
    String message,
    WhatNext next) {
  /**
   * Checks the values.
   *
   * @param name what it is called
   * @param program the file name of what was to be launched
   * @param limits what was asked for
   * @param step what failed
   * @param errno the kernel's reason, or empty
   * @param message all of it, for people
   * @param next whether it is tried again
   */
  public FailedLaunch {
    Objects.requireNonNull(name, "name");
    Objects.requireNonNull(program, "program");
    Objects.requireNonNull(limits, "limits");
    Objects.requireNonNull(step, "step");
    Objects.requireNonNull(errno, "errno");
    Objects.requireNonNull(message, "message");
    Objects.requireNonNull(next, "next");
  }
}
