/** Meters of guarded children and their pools, for Micrometer. */
@NullMarked
package io.memguard.micrometer;

import org.jspecify.annotations.NullMarked;
