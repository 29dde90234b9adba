package io.memguard.limits;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Amounts of memory, as people write them. */
@Tag("engine-independent")
final class MemorySizeTest {
  @ParameterizedTest
  @CsvSource({
    "1, 1",
    "64000, 64000",
    "512B, 512",
    "1k, 1024",
    "1K, 1024",
    "1Ki, 1024",
    "1KiB, 1024",
    "1kB, 1000",
    "512MiB, 536870912",
    "512mib, 536870912",
    "512m, 536870912",
    "3Mi, 3145728",
    "3MB, 3000000",
    "1.5g, 1610612736",
    "2GB, 2000000000",
    "0.5 GiB, 536870912",
    "1t, 1099511627776",
    "1TB, 1000000000000",
    "' 7 MiB ', 7340032",
    "1.9, 1",
    "0.001KiB, 1",
    "9223372036854775807, 9223372036854775807"
  })
  void readsEveryUnitInAnyCase(String text, long bytes) {
    assertThat(MemorySize.parse(text)).isEqualTo(bytes);
  }

  @ParameterizedTest
  @CsvSource({
    "12XB, unknown unit \"XB\"",
    "-1, is negative",
    "-512MiB, is negative",
    "0, less than one byte",
    "0GiB, less than one byte",
    "0.0001KiB, less than one byte",
    "9223372036854775808, more than 8EiB-1",
    "8388608TiB, more than 8EiB-1",
    "99999999999999999999999999, more than 8EiB-1",
    "'', not an amount",
    "'   ', not an amount",
    "MiB, not an amount",
    "1e3, not an amount",
    "0x10, not an amount",
    "'1,5GiB', not an amount",
    "1..5GiB, not an amount",
    ".5GiB, not an amount",
    "5.GiB, not an amount",
    "+5MiB, not an amount",
    "5MiB/s, not an amount",
    "NaN, not an amount",
    "Infinity, not an amount",
    "unlimited, not an amount",
    "٣MiB, not an amount"
  })
  void refusesAnythingElseAndNamesItAndWhatIsAllowed(String text, String why) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> MemorySize.parse(text))
        .withMessageContaining("\"" + text + "\"")
        .withMessageContaining(why)
        .withMessageContaining("for example 512MiB");
  }

  @Test
  void refusesNullAndSaysWhatIsAllowed() {
    assertThatNullPointerException()
        .isThrownBy(() -> MemorySize.parse(null))
        .withMessageContaining("memory size is null")
        .withMessageContaining("for example 512MiB");
  }

  @ParameterizedTest
  @CsvSource({
    "0, 0B",
    "1, 1B",
    "1023, 1023B",
    "1024, 1KiB",
    "1536, 1536B",
    "65536, 64KiB",
    "536870912, 512MiB",
    "1610612736, 1536MiB",
    "1099511627776, 1TiB",
    "5000000, 4.8MiB",
    "9223372036854775807, 8388608.0TiB"
  })
  void writesTheLargestUnitThatIsExact(long bytes, String text) {
    assertThat(MemorySize.format(bytes)).isEqualTo(text);
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 1023, 1024, 4096, 10_239, 1 << 20, 3L << 30, 1L << 40, 1L << 62})
  void readsWhatItWrote(long bytes) {
    assertThat(MemorySize.parse(MemorySize.format(bytes))).isEqualTo(bytes);
  }
}
