package io.memguard.platform.cgroup;

import java.util.Optional;

/**
 * The smallest of all limits that bind a process.
 *
 * @param bytes the limit
 * @param kind what it bounds
 * @param source the file that says so
 * @param setBy the cgroup whose limit it is; empty if it is the machine's own size, or that of a
 *     cgroup that cannot be seen from here
 * @param hiddenAncestors why cgroups that cannot be seen may have a smaller one; empty if all were
 *     looked at
 */
public record EffectiveLimit(
    long bytes,
    LimitKind kind,
    String source,
    Optional<Cgroup> setBy,
    Optional<String> hiddenAncestors) {}
