/** What memguard asks of systemd, through systemd's own client. */
@NullMarked
package io.memguard.platform.systemd;

import org.jspecify.annotations.NullMarked;
