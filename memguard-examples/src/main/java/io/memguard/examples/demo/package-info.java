/**
 * The demo's two supervisors. They do the same work, four children at a time; one of them uses
 * memguard.
 */
package io.memguard.examples.demo;
