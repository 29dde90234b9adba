/** What {@code /proc} says about process trees and their memory. */
@NullMarked
package io.memguard.platform.procfs;

import org.jspecify.annotations.NullMarked;
