/**
 * The two ways to start a child with its limits already in force: natively, or with the tools every
 * Linux has.
 */
@NullMarked
package io.memguard.launch.engine;

import org.jspecify.annotations.NullMarked;
