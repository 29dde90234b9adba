/**
 * Runs child processes under memory limits and tells truthfully how they ended.
 *
 * <p>Start at {@link io.memguard.MemoryGuard}. What is not exported may change at any time.
 */
// The command line is built after its library, and JNA is an automatic module.
@SuppressWarnings({"module", "requires-automatic"})
module io.memguard {
  requires com.sun.jna;
  requires com.sun.jna.platform;
  requires java.management;
  requires jdk.management;
  requires org.slf4j;
  // Without it nothing is recorded, and all else goes on.
  requires static jdk.jfr;
  requires static org.jspecify;

  exports io.memguard;
  exports io.memguard.doctor;
  exports io.memguard.events;
  exports io.memguard.launch;
  exports io.memguard.limits;
  exports io.memguard.outcome;
  exports io.memguard.recover;
  exports io.memguard.platform to
      io.memguard.cli;
}
