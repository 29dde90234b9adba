/**
 * Steps of Spring Batch that run commands under memory limits: an existing {@code
 * SystemCommandTasklet} by one line, a tasklet and an item processor whose next attempt gets more.
 */
@NullMarked
package io.memguard.examples.batch;

import org.jspecify.annotations.NullMarked;
