/** A module of somebody's own. */
module com.example.consumer {
  requires io.memguard;
}
