/**
 * What a child may use: values without behaviour of their own, checked where they are made.
 *
 * <p>Everything here is immutable and safe to share between threads, as far as what an application
 * puts in is: listeners, policies, budgets. {@link io.memguard} has what holds besides.
 */
@NullMarked
package io.memguard.limits;

import org.jspecify.annotations.NullMarked;
