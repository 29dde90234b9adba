package io.memguard.cli;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * Gives back what the JVM lost of its arguments. Without a UTF-8 locale, as in most containers, it
 * reads every byte beyond ASCII as the replacement character; and no locale helps where an argument
 * is not text at all.
 *
 * <p>Such arguments are read anew from {@code /proc/self/cmdline}. A byte that is not ASCII becomes
 * the lone surrogate U+DC00 + byte, which a launch turns into that byte again.
 */
final class RawArguments {
  private static final char REPLACEMENT = '\uFFFD';
  private static final int ESCAPE = 0xDC00;

  private RawArguments() {}

  static String[] restore(String[] args) {
    if (!String.join("", args).contains(String.valueOf(REPLACEMENT))) {
      return args;
    }
    String[] all;
    try {
      all =
          Files.readString(Path.of("/proc/self/cmdline"), StandardCharsets.ISO_8859_1)
              .split("\0", -1);
    } catch (IOException e) {
      return args;
    }
    int first = all.length - 1 - args.length; // a NUL ends the last one too
    String[] restored = args.clone();
    for (int i = 0; i < args.length && first >= 0; i++) {
      if (args[i].indexOf(REPLACEMENT) >= 0) {
        restored[i] = escape(all[first + i]);
      }
    }
    return restored;
  }

  private static String escape(String bytes) {
    StringBuilder escaped = new StringBuilder(bytes.length());
    bytes.chars().forEach(b -> escaped.append((char) (b < 0x80 ? b : ESCAPE + b)));
    return escaped.toString();
  }
}
