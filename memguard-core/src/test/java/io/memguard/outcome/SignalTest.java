package io.memguard.outcome;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Signals have the names of signal(7). */
@Tag("engine-independent")
final class SignalTest {
  @ParameterizedTest
  @CsvSource({
    "1, SIGHUP", "6, SIGABRT", "9, SIGKILL", "11, SIGSEGV", "15, SIGTERM", "24, SIGXCPU",
    "25, SIGXFSZ", "31, SIGSYS", "32, SIG32", "33, SIG33", "34, SIGRTMIN", "35, SIGRTMIN+1",
    "64, SIGRTMIN+30"
  })
  void haveTheirNames(int number, String name) {
    assertThat(new Signal(number)).hasToString(name);
    assertThat(new Signal(number).name()).isEqualTo(name);
  }

  @ParameterizedTest
  @ValueSource(ints = {0, -1, 65, Integer.MAX_VALUE})
  void thereAreNoOthers(int number) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new Signal(number))
        .withMessage("signal " + number + " does not exist; allowed is 1 to 64");
  }

  @Test
  void aKillHasTheShellsNumberAndSaysWhetherACoreWasDumped() {
    WaitStatus killed = new WaitStatus.Kill(new Signal(6), true);
    assertThat(killed.exitValue()).isEqualTo(134);
    assertThat(killed).hasToString("killed by SIGABRT (core dumped)");
    assertThat(new WaitStatus.Exit(134)).hasToString("exit 134").isNotEqualTo(killed);
    assertThat(killed.isSuccess()).isFalse();
  }
}
