package io.memguard.outcome;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.outcome.MemoryEvent.Affected;
import io.memguard.outcome.MemoryEvent.Kind;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What people are told of an event, on one line. */
@Tag("engine-independent")
final class MemoryEventTest {
  private static final int ENOMEM = 12;
  private static final int EAGAIN = 11;
  private static final long MIB = 1 << 20;

  @Test
  void aRefusalSaysWhoWhatAndUnderWhichLimit() {
    assertThat(refused(1, refusal(Refusal.Kind.MMAP, ENOMEM, 512 * MIB)).explanation())
        .isEqualTo(
            "process 7 (python3 worker.py) was refused 512MiB (mmap, ENOMEM);"
                + " its RLIMIT_DATA is 256MiB");
    assertThat(refused(10_000, refusal(Refusal.Kind.MALLOC, ENOMEM, MIB)).explanation())
        .isEqualTo("process 7 (python3 worker.py) was refused 1MiB (malloc, ENOMEM), 10,000 times");
  }

  @Test
  void aThreadOrAProcessIsCalledSo() {
    assertThat(refused(1, refusal(Refusal.Kind.THREAD, EAGAIN, 250 * MIB)).explanation())
        .contains("was refused a thread with a stack of 250MiB (EAGAIN); its RLIMIT_DATA");
    assertThat(refused(2, refusal(Refusal.Kind.FORK, EAGAIN, 0)).explanation())
        .endsWith("was refused another process (fork, EAGAIN), 2 times");
  }

  @Test
  void thoseWithoutRoomAreCounted() {
    assertThat(event(Kind.REFUSED, 3).explanation())
        .isEqualTo("processes that there was no room to note were refused memory 3 times");
  }

  @Test
  void theKilledAreNamedWhereTheyAreKnown() {
    Affected one = new Affected(7, "perl", Optional.empty(), Optional.empty());
    assertThat(event(Kind.OOM_KILL, 1, one).explanation())
        .isEqualTo("process 7 (perl) was killed by the kernel for lack of memory");
    assertThat(event(Kind.OOM_KILL, 2).explanation())
        .isEqualTo("2 processes of child 5 were killed by the kernel for lack of memory");
  }

  /** A process chooses its own name and command line. */
  @Test
  void nobodyWritesTwoLinesOrToTheTerminal() {
    Affected evil = new Affected(7, "a\nb", Optional.of("x\u001b[2J\ny"), Optional.empty());
    assertThat(evil.description()).isEqualTo("process 7 (x?[2J?y)");
    String unicode = "a\u009bb\u2028c\u2029d\u202ee\u0085f é"; // CSI, lines, right to left
    assertThat(new Affected(7, unicode, Optional.empty(), Optional.empty()).description())
        .isEqualTo("process 7 (a?b?c?d?e?f é)");
  }

  private static MemoryEvent refused(long times, Refusal refusal) {
    return event(
        Kind.REFUSED,
        times,
        new Affected(7, "python3", Optional.of("python3 worker.py"), Optional.of(refusal)));
  }

  private static MemoryEvent event(Kind kind, long times, Affected... processes) {
    return new MemoryEvent(
        OptionalLong.of(5), kind, times, OptionalLong.empty(), List.of(processes));
  }

  private static Refusal refusal(Refusal.Kind kind, int errno, long bytes) {
    return new Refusal(
        kind,
        errno,
        bytes,
        7,
        Duration.ofSeconds(1),
        OptionalLong.of(20 * MIB),
        OptionalLong.empty(),
        OptionalLong.empty(),
        OptionalLong.of(256 * MIB),
        OptionalLong.empty());
  }
}
