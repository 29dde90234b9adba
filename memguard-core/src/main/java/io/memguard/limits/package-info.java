/**
 * What a child may use: values without behaviour of their own, checked where they are made.
 *
 * <p>Everything here is immutable and safe to share between threads.
 */
@NullMarked
package io.memguard.limits;

import org.jspecify.annotations.NullMarked;
