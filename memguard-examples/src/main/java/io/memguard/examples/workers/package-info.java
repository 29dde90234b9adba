/** Workers for pools: the kit, and one that uses it. Its Python twin is in the folder workers. */
package io.memguard.examples.workers;
