/**
 * Where this process is, and what becomes of it when a child takes memory without end: values, and
 * a function over them that looks at nothing else.
 *
 * <p>{@link io.memguard.Capabilities#surroundings} has what was found, {@link
 * io.memguard.Capabilities#assessment} what that means. Everything here is immutable and safe to
 * share between threads.
 */
@NullMarked
package io.memguard.doctor;

import org.jspecify.annotations.NullMarked;
