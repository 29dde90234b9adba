/**
 * How a child ended, and how that is known: one sealed value, and the same as typed exceptions.
 *
 * <p>Everything here is immutable and safe to share between threads; {@link io.memguard} has what
 * holds besides.
 */
@NullMarked
package io.memguard.outcome;

import org.jspecify.annotations.NullMarked;
