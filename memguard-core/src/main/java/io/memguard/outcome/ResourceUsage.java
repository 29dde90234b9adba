package io.memguard.outcome;

import java.time.Duration;
import java.util.OptionalLong;

/**
 * What a child and the descendants it waited for used (<a
 * href="https://man7.org/linux/man-pages/man2/getrusage.2.html">getrusage(2)</a>).
 *
 * @param userTime time on the CPU in user mode
 * @param systemTime time on the CPU in the kernel
 * @param peakRssBytes the largest resident set of any one of them, or empty where it cannot be told
 *     from the JVM's own: a child starts in its parent's memory, and the kernel counts the parent's
 *     peak as the child's until it is passed
 */
public record ResourceUsage(Duration userTime, Duration systemTime, OptionalLong peakRssBytes) {}
