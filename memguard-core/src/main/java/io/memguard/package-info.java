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
 * <p>Everything here is safe to share between threads. Amounts of memory are bytes everywhere, and
 * where they are texts, as {@link io.memguard.limits.MemorySize} reads them.
 */
@NullMarked
package io.memguard;

import org.jspecify.annotations.NullMarked;
