/** Events of the JDK's Flight Recorder, where the JDK at hand has it. */
@NullMarked
package io.memguard.platform.jfr;

import org.jspecify.annotations.NullMarked;
