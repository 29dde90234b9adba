/** What to do after a child died: try again, with more memory. */
@NullMarked
package io.memguard.recover;

import org.jspecify.annotations.NullMarked;
