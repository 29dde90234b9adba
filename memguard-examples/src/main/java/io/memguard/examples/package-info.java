/** What the documentation shows, as programs that run. */
package io.memguard.examples;
