/**
 * How a launch fails: the step that failed, the kernel's reason, and what to do about it.
 *
 * <p>Everything here is immutable and safe to share between threads; {@link io.memguard} has what
 * holds besides.
 */
@NullMarked
package io.memguard.launch;

import org.jspecify.annotations.NullMarked;
