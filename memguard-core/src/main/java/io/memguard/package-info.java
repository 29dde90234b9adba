/**
 * Runs child processes that cannot take their parent down with them.
 *
 * <pre>
 *   limits ──► launch ──► watch ──► diagnose ──► outcome ──► recover
 *    what is    apply it   see what   weigh the    one sealed   try again,
 *    allowed    before     happens    evidence     value, or    with more
 *               exec                               an exception
 * </pre>
 *
 * <p>{@link io.memguard.MemoryGuard} is the way in, and the only class most users need besides
 * {@link io.memguard.limits.MemoryLimits} and {@link io.memguard.outcome.Outcome}.
 *
 * <p>What holds in all packages, and is not said again of each type:
 *
 * <ul>
 *   <li><b>Threads.</b> Everything is safe to share between threads. Records and enums are
 *       immutable, and copy the collections that they are given; one that holds what an application
 *       made, as a listener or a task, says so. What an application implements says on which
 *       threads it is called. Exceptions are as safe to share as any {@link Throwable}.
 *   <li><b>Units.</b> Amounts of memory are bytes, and where they are texts, as {@link
 *       io.memguard.limits.MemorySize} reads them. What was measured or counted is 0 or more. Where
 *       nothing else is said, what is unknown or not set is empty, and a pid is the number that a
 *       process has in this JVM's pid namespace (<a
 *       href="https://man7.org/linux/man-pages/man7/pid_namespaces.7.html">pid_namespaces(7)</a>).
 *   <li><b>Errors.</b> A setting out of range ends in an {@link IllegalArgumentException} where it
 *       is made, with the value and what is allowed. Nothing takes null, and nothing returns it:
 *       where it is given nevertheless, there is a {@link NullPointerException}, at once or when
 *       the value is needed. A child that cannot be started is a {@link
 *       io.memguard.launch.LaunchException}, which is checked; one that did not succeed is an
 *       {@link io.memguard.outcome.Outcome}, or on request a {@link
 *       io.memguard.outcome.ChildProcessException}, which is not.
 *   <li><b>Sources.</b> A name with a number, as getrlimit(2), is a page of the <a
 *       href="https://man7.org/linux/man-pages/">Linux manual</a>. The files of cgroups, as {@code
 *       memory.max}, are in the kernel's documentation of <a
 *       href="https://docs.kernel.org/admin-guide/cgroup-v2.html">v2</a> and <a
 *       href="https://docs.kernel.org/admin-guide/cgroup-v1/memory.html">v1</a>. {@link
 *       io.memguard.limits.Protection} names the source of each means that holds children to their
 *       limits, {@link io.memguard.launch.LaunchStep} that of each step of a launch.
 * </ul>
 */
@NullMarked
package io.memguard;

import org.jspecify.annotations.NullMarked;
