/**
 * The {@code memguard} command: reads what was asked for, runs the command under guard, and turns
 * its outcome into an exit status, a line for people and a report for programs.
 */
@NullMarked
package io.memguard.cli;

import org.jspecify.annotations.NullMarked;
