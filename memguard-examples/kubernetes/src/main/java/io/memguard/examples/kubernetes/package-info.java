/** What runs in the pods: a service that guards its children. */
@NullMarked
package io.memguard.examples.kubernetes;

import org.jspecify.annotations.NullMarked;
