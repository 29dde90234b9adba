package io.memguard.platform.kernellog;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.memguard.platform.Errno;
import io.memguard.platform.Linux;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The log is read without waiting, and what it answers instead of a record is survived. */
@Tag("engine-independent")
class KernelLogTest {
  private final Replay replay = new Replay();
  private final KernelLog log = new KernelLog(replay);

  @Test
  void givesWhatIsNewAndThenNothing() throws IOException {
    replay.record("6,10,1,-;one").record("6,11,2,-;two").error(Errno.EAGAIN);
    assertThat(log.poll()).extracting(LogRecord::text).containsExactly("one", "two");

    replay.error(Errno.EAGAIN).record("6,12,3,-;three");
    assertThat(log.poll()).isEmpty();
    assertThat(log.poll()).extracting(LogRecord::text).containsExactly("three");
    assertThat(log.lost()).isZero();
  }

  @Test
  void overwrittenRecordsAreCountedAndReadingGoesOn() throws IOException {
    replay.record("6,10,1,-;one").error(Errno.EPIPE).record("6,15,2,-;two");

    assertThat(log.poll()).extracting(LogRecord::text).containsExactly("one", "two");
    assertThat(log.lost()).isEqualTo(4);
  }

  @Test
  void whatWasOverwrittenBeforeTheFirstReadIsLostToo() throws IOException {
    replay.error(Errno.EPIPE).record("6,15,2,-;two");

    assertThat(log.poll()).hasSize(1);
    assertThat(log.lost()).isPositive();
  }

  @Test
  void aRecordTooLargeForUsIsLost() throws IOException {
    replay.record("6,10,1,-;one").error(Errno.EINVAL).error(Errno.EINTR).record("6,12,2,-;two");

    assertThat(log.poll()).hasSize(2);
    assertThat(log.lost()).isEqualTo(1);
  }

  @Test
  void whatOthersWroteIsLeftOutAndNotLost() throws IOException {
    replay
        .record("6,10,1,-;one")
        .record("12,11,2,-;Out of memory: Killed process 1 (x) total-vm:1kB")
        .record("6,12,3,-;two");

    assertThat(log.poll()).extracting(LogRecord::text).containsExactly("one", "two");
    assertThat(log.lost()).isZero();
  }

  @Test
  void aLogThatIsWrittenFasterThanReadDoesNotKeepUs() throws IOException {
    for (int i = 0; i < 10_000; i++) {
      replay.record("6," + i + ",1,-;x");
    }

    assertThat(log.poll()).hasSizeLessThan(10_000);
    while (!log.poll().isEmpty()) {}
    assertThat(log.lost()).isZero();
  }

  @Test
  void anotherErrorIsOne() {
    replay.error(Errno.EPERM);

    assertThatThrownBy(log::poll)
        .isInstanceOf(IOException.class)
        .hasMessageContaining("dmesg_restrict");
  }

  @ParameterizedTest
  @CsvSource({
    "1,dmesg_restrict",
    "2,mount the host's /dev/kmsg",
    "13,may not read it",
    "19,mount the host's /dev/kmsg there",
    "24,EMFILE"
  })
  void saysWhyItIsNotReadable(int errno, String why) {
    assertThat(KernelLog.reason(errno)).contains(why);
  }

  @Test
  void closesOnce() {
    log.close();
    log.close();

    assertThat(replay.closed()).isEqualTo(1);
  }

  @Test
  void theRealOneIsReadFromNowOnOrSaysWhyNot() throws IOException {
    Linux.load();
    try (KernelLog real = KernelLog.open()) {
      List<LogRecord> sinceNow = real.poll();
      assertThat(sinceNow).hasSizeLessThan(100);
    } catch (IOException e) {
      assertThat(e).hasMessageStartingWith("cannot read the kernel's log /dev/kmsg: ");
    }
  }
}
