package io.memguard.platform.cgroup;

import java.util.Optional;

/**
 * How much one cgroup's counters have risen.
 *
 * @param hierarchical of it and all below it; v2 only
 * @param local of its own
 */
public record CounterChange(
    Cgroup cgroup, Optional<Counters> hierarchical, Optional<Counters> local) {}
