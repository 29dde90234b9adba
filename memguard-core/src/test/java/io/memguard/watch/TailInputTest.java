package io.memguard.watch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;

/** What is left in a pipe is read to its end, and a grandchild that holds it is not waited for. */
final class TailInputTest {
  private final Tail tail = new Tail(8);

  /** A pipe that somebody still holds: a read of more than is in it would wait. */
  private static final class HeldPipe extends ByteArrayInputStream {
    HeldPipe(String left) {
      super(left.getBytes(StandardCharsets.US_ASCII));
    }

    @Override
    public synchronized int read(byte[] to, int offset, int length) {
      if (length > 0 && available() == 0) {
        throw new AssertionError("this read waits");
      }
      return super.read(to, offset, length);
    }
  }

  @Test
  void endsWhereThePipeIsEmptyAndTheChildHasEnded() throws Exception {
    InputStream in = new TailInput(new HeldPipe("12\n"), tail, () -> true);
    assertThat(in.readAllBytes()).asString().isEqualTo("12\n");
    assertThat(in.read()).isEqualTo(-1);
    assertThat(tail.text()).isEqualTo("12\n");
  }

  @Test
  void readsByteByByteToo() throws Exception {
    InputStream in = new TailInput(new HeldPipe("a"), tail, () -> true);
    assertThat(in.read()).isEqualTo('a');
    assertThat(in.read()).isEqualTo(-1);
    assertThat(tail.text()).isEqualTo("a");
  }

  @Test
  void waitsWhileTheChildLives() throws Exception {
    AtomicBoolean ended = new AtomicBoolean();
    InputStream in = new TailInput(new HeldPipe("1"), tail, ended::get);
    assertThat(in.read(new byte[8])).isEqualTo(1);
    assertThatThrownBy(in::read).hasMessage("this read waits");
    ended.set(true);
    assertThat(in.read(new byte[8])).isEqualTo(-1);
  }
}
