/** The {@code memguard} command. */
module io.memguard.cli {
  requires com.fasterxml.jackson.databind;
  requires info.picocli;
  requires io.memguard;
}
