/**
 * What a guard tells of its children: {@link io.memguard.events.MemoryGuardListener}, and what that
 * is given. What happens to memory is in {@link io.memguard.outcome.MemoryEvent}.
 *
 * <p>What a listener is given is immutable and safe to share between threads; {@link io.memguard}
 * has what holds besides.
 */
@NullMarked
package io.memguard.events;

import org.jspecify.annotations.NullMarked;
