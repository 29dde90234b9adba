package io.memguard.watch;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Of whatever comes in whatever pieces, the last part is kept, and no byte too many. */
@Tag("engine-independent")
final class TailTest {
  @Test
  void theLastBytesAreKept() {
    Random random = new Random(5);
    for (int capacity : new int[] {1, 100, 256, 300, 8192, 32768}) {
      Tail tail = new Tail(capacity);
      StringBuilder all = new StringBuilder();
      for (int i = 0; i < 200; i++) {
        String piece = Integer.toString(i, 36).repeat(random.nextInt(300));
        all.append(piece);
        tail.append(ByteBuffer.wrap(piece.getBytes(StandardCharsets.US_ASCII)));
        assertThat(tail.text()).isEqualTo(all.substring(Math.max(0, all.length() - capacity)));
      }
    }
  }
}
