package io.memguard.limits;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Resource limits as {@code NAME=SOFT[:HARD]}. */
@Tag("engine-independent")
final class ResourceLimitTest {
  private static final long INFINITY = ResourceLimit.UNLIMITED;

  @ParameterizedTest
  @CsvSource({
    "nofile=256:1024, NOFILE, 256, 1024",
    "nofile=256, NOFILE, 256, 256",
    "RLIMIT_CORE=0, CORE, 0, 0",
    "core=0:unlimited, CORE, 0, 9223372036854775807",
    "Stack=UNLIMITED, STACK, 9223372036854775807, 9223372036854775807",
    "data=64MiB:1GiB, DATA, 67108864, 1073741824",
    "as=1000, AS, 1000, 1000",
    "cpu=5:10, CPU, 5, 10",
    "nproc=7, NPROC, 7, 7",
    "fsize=1k, FSIZE, 1024, 1024"
  })
  void readsNameSoftAndHard(String text, Rlimit resource, long soft, long hard) {
    assertThat(ResourceLimit.parse(text)).isEqualTo(new ResourceLimit(resource, soft, hard));
  }

  @ParameterizedTest
  @CsvSource({
    "nofile, NAME=SOFT[:HARD]",
    "'', NAME=SOFT[:HARD]",
    "nofile=1:2:3, more than two values",
    "files=1, 'one of [CPU, FSIZE, DATA'",
    "=1, 'one of [CPU, FSIZE, DATA'",
    "nofile=, not a whole number",
    "nofile=12XB, not a whole number",
    "nofile=1.5, not a whole number",
    "nofile=99999999999999999999, not a whole number",
    "nofile=-1, allowed is 0 to",
    "nofile=5:4, at most the hard one",
    "core=unlimited:0, at most the hard one",
    "data=12XB, unknown unit",
    "data=-1MiB, is negative",
    "data=, not an amount of memory",
    "data=1:, not an amount of memory",
    "data=9999999TiB, more than 8EiB-1"
  })
  void refusesAnythingElseAndSaysWhatIsAllowed(String text, String why) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> ResourceLimit.parse(text))
        .withMessageContaining(why);
  }

  @Test
  void refusesNullAndSaysWhatIsAllowed() {
    assertThatNullPointerException()
        .isThrownBy(() -> ResourceLimit.parse(null))
        .withMessageContaining("NAME=SOFT[:HARD]");
    assertThatNullPointerException()
        .isThrownBy(() -> new ResourceLimit(null, 1, 1))
        .withMessageContaining("resource");
    assertThatNullPointerException()
        .isThrownBy(() -> Rlimit.named(null))
        .withMessageContaining("one of [CPU");
  }

  @Test
  void refusesNegativeValuesAndNamesTheOne() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new ResourceLimit(Rlimit.CPU, -7, INFINITY))
        .withMessageContaining("RLIMIT_CPU -7 is negative");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new ResourceLimit(Rlimit.CPU, 7, Long.MIN_VALUE))
        .withMessageContaining("RLIMIT_CPU " + Long.MIN_VALUE + " is negative");
  }

  @ParameterizedTest
  @EnumSource(Rlimit.class)
  void everyLimitIsFoundByItsNameInAnyForm(Rlimit limit) {
    assertThat(Rlimit.named(limit.name())).isEqualTo(limit);
    assertThat(Rlimit.named("rlimit_" + limit.name())).isEqualTo(limit);
    assertThat(Rlimit.named(" " + limit.name().toLowerCase(java.util.Locale.ROOT) + " "))
        .isEqualTo(limit);
  }

  @Test
  void isWrittenAsPeopleReadIt() {
    assertThat(ResourceLimit.parse("data=512MiB")).hasToString("RLIMIT_DATA=512MiB");
    assertThat(ResourceLimit.parse("nofile=256:1024")).hasToString("RLIMIT_NOFILE=256:1024");
    assertThat(ResourceLimit.parse("core=0:unlimited")).hasToString("RLIMIT_CORE=0B:unlimited");
  }
}
