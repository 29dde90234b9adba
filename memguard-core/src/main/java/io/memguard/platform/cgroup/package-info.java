/**
 * Where a process's memory is accounted: its control group, those above it, their limits and their
 * counters. Only {@link io.memguard.platform.cgroup.Leaf} and {@link
 * io.memguard.platform.cgroup.Room} make or change a cgroup; everything else reads.
 *
 * <p>{@link io.memguard.platform.cgroup.CgroupFinder} is the way in. What is not known is absent,
 * never a number that looks like one.
 */
@NullMarked
package io.memguard.platform.cgroup;

import org.jspecify.annotations.NullMarked;
