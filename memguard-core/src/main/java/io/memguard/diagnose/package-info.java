/** From facts to a verdict: pure functions, no input or output. */
@NullMarked
package io.memguard.diagnose;

import org.jspecify.annotations.NullMarked;
