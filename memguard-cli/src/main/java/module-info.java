/** The {@code memguard} command. */
@SuppressWarnings("requires-automatic") // XChart is one
module io.memguard.cli {
  requires com.fasterxml.jackson.databind;
  requires info.picocli;
  requires io.memguard;
  requires java.desktop;
  requires xchart;
  requires static org.jspecify;

  opens io.memguard.cli to
      com.fasterxml.jackson.databind,
      info.picocli;
}
