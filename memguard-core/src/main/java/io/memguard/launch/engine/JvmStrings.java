package io.memguard.launch.engine;

import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;

/**
 * Turns strings into the bytes the JDK would hand to a program.
 *
 * <p>An inherited variable whose bytes are not text in the JVM's charset (UTF-8 under {@code
 * LANG=C}, say) is passed on byte by byte, as the JDK does: of the string alone, only replacement
 * characters would be left.
 */
final class JvmStrings {
  private static final char REPLACEMENT = '\uFFFD';

  /** Java 18 began to tell the charset of the system's strings from that of files. */
  private static final Charset CHARSET =
      Runtime.version().feature() >= 18
          ? Charset.forName(System.getProperty("sun.jnu.encoding"))
          : Charset.defaultCharset();

  private JvmStrings() {}

  static byte[] encode(String text) {
    return text.getBytes(CHARSET);
  }

  static byte[] encodeVariable(String name, String value) {
    if (value.indexOf(REPLACEMENT) >= 0 || name.indexOf(REPLACEMENT) >= 0) {
      byte[] inherited = Inherited.BYTES.get(name + "=" + value);
      if (inherited != null) {
        return inherited;
      }
    }
    return encode(name + "=" + value);
  }

  /** Read only when a variable needs it. */
  private static final class Inherited {
    static final Map<String, byte[]> BYTES = read();

    private static Map<String, byte[]> read() {
      Map<String, byte[]> variables = new HashMap<>();
      try {
        String block = Files.readString(Path.of("/proc/self/environ"), StandardCharsets.ISO_8859_1);
        for (String variable : block.split("\0", -1)) {
          byte[] bytes = variable.getBytes(StandardCharsets.ISO_8859_1);
          variables.put(new String(bytes, CHARSET), bytes);
        }
      } catch (IOException e) {
        return Map.of(); // then the JVM's reading of them has to do
      }
      return variables;
    }
  }
}
