package io.memguard.diagnose;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.outcome.Cause;
import io.memguard.outcome.Confidence;
import io.memguard.outcome.Outcome;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What real runtimes print and how they end when refused memory, captured under {@code RLIMIT_DATA}
 * (prlimit(1) in front, Linux 6.18, glibc 2.36); Rust's and Go's lines are their sources' own.
 */
@Tag("engine-independent")
final class SignatureTest {
  private static final long MIB = 1 << 20;
  private static final Played PYTHON =
      Played.exit(1)
          .complaining(
              """
              Traceback (most recent call last):
                File "<string>", line 1, in <module>
              MemoryError
              """);
  private static final Played CPP =
      Played.killed(6)
          .complaining(
              """
              terminate called after throwing an instance of 'std::bad_alloc'
                what():  std::bad_alloc
              """);
  private static final Played JVM =
      Played.exit(1)
          .printing(
              """
              #
              # There is insufficient memory for the Java Runtime Environment to continue.
              # Native memory allocation (mmap) failed to map 16777216 bytes. Error detail: committing reserved memory.
              # An error report file with more information is saved as:
              # /srv/job/hs_err_pid32120.log
              """)
          .complaining(
              """
              OpenJDK 64-Bit Server VM warning: INFO: os::commit_memory(0x00007f5782600000, 16777216, 0) failed; error='Not enough space' (errno=12)
              """);
  private static final Played RUST =
      Played.killed(6).complaining("memory allocation of 1073741824 bytes failed\n");
  private static final Played GO =
      Played.exit(2).complaining("fatal error: runtime: out of memory\n\nruntime stack:\n");
  private static final Played LOADER_DATA =
      Played.exit(127)
          .complaining(
              "/usr/bin/python3: error while loading shared libraries: libpython3.11.so.1.0: cannot"
                  + " map zero-fill pages\n");
  private static final Played LOADER_AS =
      Played.exit(127)
          .complaining(
              "/bin/true: error while loading shared libraries: libc.so.6: failed to map segment"
                  + " from shared object\n");
  private static final Played LOADER_TLS =
      Played.exit(127).complaining("cannot allocate TLS data structures for initial thread\n");

  static Stream<Arguments> runtimes() {
    return Stream.of(
        Arguments.of("Python", PYTHON),
        Arguments.of("C++", CPP),
        Arguments.of("JVM", JVM),
        Arguments.of("Rust", RUST),
        Arguments.of("Go", GO));
  }

  @ParameterizedTest
  @MethodSource("runtimes")
  void unwatchedUnderALimitItIsPossible(String runtime, Played played) {
    Outcome.OutOfMemory outcome = memory(played.under("data=128MiB"));
    assertThat(outcome.cause()).isEqualTo(Cause.ALLOCATION_DENIED);
    assertThat(outcome.confidence()).isEqualTo(Confidence.POSSIBLE);
    assertThat(outcome.explanation()).contains("as a " + runtime + " program does");
    assertThat(outcome.refusedBytes()).isEmpty();
    assertThat(outcome.suggestedLimitBytes()).hasValue(192 * MIB);
  }

  @ParameterizedTest
  @MethodSource("runtimes")
  void nearTheLimitItIsProbable(String runtime, Played played) {
    Outcome.OutOfMemory outcome = memory(played.under("data=128MiB").withPeak(100 * MIB));
    assertThat(outcome.confidence()).as(runtime).isEqualTo(Confidence.PROBABLE);
  }

  @ParameterizedTest
  @MethodSource("runtimes")
  void whereAWitnessSawNothingTheWordsAreNothing(String runtime, Played played) {
    assertThat(played.under("data=128MiB").watched(0, 0).diagnosed())
        .as(runtime)
        .isNotInstanceOf(Outcome.OutOfMemory.class);
  }

  @ParameterizedTest
  @MethodSource("runtimes")
  void withoutALimitTheWordsAreNothing(String runtime, Played played) {
    assertThat(played.diagnosed()).as(runtime).isNotInstanceOf(Outcome.OutOfMemory.class);
  }

  static Stream<Played> loaders() {
    return Stream.of(
        LOADER_DATA.under("data=64KiB"),
        LOADER_AS.under("as=1MiB"),
        LOADER_TLS.under("data=64KiB"));
  }

  @ParameterizedTest
  @MethodSource("loaders")
  void aLoaderThatGivesUpMeansALimitTooLow(Played played) {
    Outcome.OutOfMemory outcome = memory(played.withAnIdleWitness());
    assertThat(outcome.cause()).isEqualTo(Cause.LIMIT_TOO_LOW);
    assertThat(outcome.confidence()).isEqualTo(Confidence.PROBABLE);
  }

  @Test
  void underALargerLimitTheLoadersWordsAreASignAlone() {
    Outcome.OutOfMemory outcome = memory(LOADER_AS.under("as=100MiB").withAnIdleWitness());
    assertThat(outcome.cause()).isEqualTo(Cause.LIMIT_TOO_LOW);
    assertThat(outcome.confidence()).isEqualTo(Confidence.POSSIBLE);
  }

  @Test
  void anotherProgramsWordsDoNotFit() {
    Played perl =
        Played.exit(12)
            .complaining(
                "Out of memory!\npanic: fold_constants JMPENV_PUSH returned 2 at -e line 1.\n");
    assertThat(perl.under("data=128MiB").diagnosed()).isInstanceOf(Outcome.Exited.class);
    Played missing =
        Played.exit(127)
            .complaining(
                "x: error while loading shared libraries: libx.so: cannot open shared object file:"
                    + " No such file or directory\n");
    assertThat(missing.under("data=128MiB").diagnosed()).isInstanceOf(Outcome.Exited.class);
    Played log = Played.exit(1).complaining("handled: not a MemoryError\n");
    assertThat(log.under("data=128MiB").diagnosed()).isInstanceOf(Outcome.Exited.class);
  }

  private static Outcome.OutOfMemory memory(Played played) {
    Outcome outcome = played.diagnosed();
    assertThat(outcome).isInstanceOf(Outcome.OutOfMemory.class);
    return (Outcome.OutOfMemory) outcome;
  }
}
