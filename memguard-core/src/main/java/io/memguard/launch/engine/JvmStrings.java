package io.memguard.launch.engine;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Turns strings into the bytes the JDK would hand to a program.
 *
 * <p>An inherited variable whose bytes are not text in the JVM's charset (UTF-8 under {@code
 * LANG=C}, say) is passed on byte by byte, as the JDK does: of the string alone, only replacement
 * characters would be left.
 *
 * <p>A lone surrogate from U+DC80 to U+DCFF stands for one byte, as Python has it
 * ("surrogateescape"): so a program can pass on an argument of its own that is not text.
 */
final class JvmStrings {
  private static final char REPLACEMENT = '\uFFFD';
  private static final char FIRST_ESCAPED_BYTE = '\uDC80';
  private static final char LAST_ESCAPED_BYTE = '\uDCFF';

  /** Java 18 began to tell the charset of the system's strings from that of files. */
  private static final Charset CHARSET =
      Runtime.version().feature() >= 18
          ? Charset.forName(System.getProperty("sun.jnu.encoding"))
          : Charset.defaultCharset();

  private JvmStrings() {}

  static byte[] encode(String text) {
    int escaped = nextEscapedByte(text, 0);
    if (escaped < 0) {
      return text.getBytes(CHARSET);
    }
    ByteArrayOutputStream bytes = new ByteArrayOutputStream(text.length());
    int plain = 0;
    while (escaped >= 0) {
      bytes.writeBytes(text.substring(plain, escaped).getBytes(CHARSET));
      bytes.write(text.charAt(escaped)); // its low byte
      plain = escaped + 1;
      escaped = nextEscapedByte(text, plain);
    }
    bytes.writeBytes(text.substring(plain).getBytes(CHARSET));
    return bytes.toByteArray();
  }

  private static int nextEscapedByte(String text, int from) {
    for (int i = from; i < text.length(); i++) {
      char c = text.charAt(i);
      boolean paired = i > 0 && Character.isHighSurrogate(text.charAt(i - 1));
      if (c >= FIRST_ESCAPED_BYTE && c <= LAST_ESCAPED_BYTE && !paired) {
        return i;
      }
    }
    return -1;
  }

  /** Returns the bytes of a variable that is not text, or empty for what {@link #encode} can do. */
  static Optional<byte[]> inheritedBytes(String name, String value) {
    return value.indexOf(REPLACEMENT) >= 0 || name.indexOf(REPLACEMENT) >= 0
        ? Optional.ofNullable(Inherited.BYTES.get(name + "=" + value))
        : Optional.empty();
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
