/** What a launch costs, guarded and otherwise; {@code benchmarks/run} measures and compares. */
@NullMarked
package io.memguard.benchmarks;

import org.jspecify.annotations.NullMarked;
