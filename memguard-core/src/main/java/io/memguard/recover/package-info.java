/**
 * What to do after a child died, and so that fewer do: try again with more memory, share what there
 * is, and have workers that are replaced.
 *
 * <p>Everything here is safe to share between threads; what is an interface to be implemented says
 * on which threads it is called. {@link io.memguard} has what holds besides.
 */
@NullMarked
package io.memguard.recover;

import org.jspecify.annotations.NullMarked;
