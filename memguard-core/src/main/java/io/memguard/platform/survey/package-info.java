/** Finds out where this process is, and what around it decides when memory is short. */
@NullMarked
package io.memguard.platform.survey;

import org.jspecify.annotations.NullMarked;
