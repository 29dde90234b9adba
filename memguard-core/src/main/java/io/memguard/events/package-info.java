/**
 * What a guard tells of its children: {@link io.memguard.events.MemoryGuardListener}, and what that
 * is given. What happens to memory is in {@link io.memguard.outcome.MemoryEvent}.
 */
@NullMarked
package io.memguard.events;

import org.jspecify.annotations.NullMarked;
