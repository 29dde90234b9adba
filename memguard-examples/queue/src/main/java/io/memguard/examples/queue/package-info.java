/**
 * A queue of jobs on Redis Streams whose consumers run each in a child process under a memory
 * limit. A job is acknowledged only when it is done, or when what is to become of it stands in
 * Redis.
 */
@NullMarked
package io.memguard.examples.queue;

import org.jspecify.annotations.NullMarked;
