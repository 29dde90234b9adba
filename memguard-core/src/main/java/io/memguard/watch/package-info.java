/**
 * One thread that sees everything happen: exits and pipes.
 *
 * <p>Who owns what: the {@link io.memguard.watch.Watcher} owns its epoll and eventfd descriptors
 * and its thread; a pidfd belongs to whoever launched the child, until it is reaped; a pipe's end
 * belongs to the stream around it until that is closed or the child has ended. Nothing here waits
 * for anything but the kernel's next event.
 */
@NullMarked
package io.memguard.watch;

import org.jspecify.annotations.NullMarked;
