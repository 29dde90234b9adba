/** The {@code memguard} command. */
module io.memguard.cli {
  requires com.fasterxml.jackson.databind;
  requires info.picocli;
  requires io.memguard;
  requires static org.jspecify;

  opens io.memguard.cli to
      com.fasterxml.jackson.databind,
      info.picocli;
}
