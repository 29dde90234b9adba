package io.memguard;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;

/**
 * What a process has for a stream that is no pipe: as with the JDK's, reading it is at its end,
 * writing it fails.
 */
final class NoPipe {
  static final InputStream SOURCE =
      new InputStream() {
        @Override
        public int read() {
          return -1;
        }
      };

  static final OutputStream SINK =
      new OutputStream() {
        @Override
        public void write(int b) throws IOException {
          throw new IOException("Stream closed");
        }
      };

  private NoPipe() {}
}
