/**
 * Meters of guarded children and their pools, for Micrometer.
 *
 * <p>Start at {@link io.memguard.micrometer.MemoryGuardMeters}.
 */
@SuppressWarnings({
  "requires-automatic",
  "requires-transitive-automatic"
}) // Micrometer has a name, and no descriptor
module io.memguard.micrometer {
  requires transitive io.memguard;
  requires transitive micrometer.core;
  requires static org.jspecify;

  exports io.memguard.micrometer;
}
