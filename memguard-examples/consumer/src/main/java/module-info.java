/** A module of somebody's own. */
@SuppressWarnings("requires-automatic") // Micrometer has a name, and no descriptor
module com.example.consumer {
  requires io.memguard.micrometer;
  requires micrometer.core;
}
