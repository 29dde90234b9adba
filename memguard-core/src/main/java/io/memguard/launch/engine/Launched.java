package io.memguard.launch.engine;

import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import java.util.Map;

/**
 * A child of the native engine, just started. Whoever gets it owns the descriptors, and must have
 * the child reaped.
 *
 * @param pid the child
 * @param pidfd refers to the child until it is closed, whatever becomes of the pid
 * @param stdin the pipe to the child's stdin, or -1
 * @param stdout the pipe from its stdout, or -1
 * @param stderr the pipe from its stderr, or -1
 * @param parentPeakRssBytes the JVM's own largest resident set, up to which the child's says
 *     nothing
 * @param protections what is in force
 */
public record Launched(
    int pid,
    int pidfd,
    int stdin,
    int stdout,
    int stderr,
    long parentPeakRssBytes,
    Map<Protection, ProtectionState> protections) {}
