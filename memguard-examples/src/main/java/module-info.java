/** What the documentation shows, as programs that run. */
module io.memguard.examples {
  requires io.memguard;
}
