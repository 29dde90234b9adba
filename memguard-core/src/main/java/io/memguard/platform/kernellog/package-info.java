/** What the kernel's log says about processes that the OOM killer killed. */
@NullMarked
package io.memguard.platform.kernellog;

import org.jspecify.annotations.NullMarked;
