/**
 * The machine underneath: the native library, {@code /proc}, and files in memory. The only package
 * that knows JNA.
 */
@NullMarked
package io.memguard.platform;

import org.jspecify.annotations.NullMarked;
