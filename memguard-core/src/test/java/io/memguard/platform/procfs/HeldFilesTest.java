package io.memguard.platform.procfs;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Whose a file in memory is. */
@Tag("engine-independent")
final class HeldFilesTest {
  private static final long BEGAN = 1000;
  private static final long UNKNOWN = 0;

  @ParameterizedTest
  @CsvSource({"999, false", "1000, true", "1001, true"})
  void theBirthDecidesWhereItIsKnown(long birth, boolean younger) {
    assertThat(HeldFiles.isYounger(birth, BEGAN, false, BEGAN)).isEqualTo(younger);
    assertThat(HeldFiles.isYounger(birth, BEGAN - 1, true, BEGAN)).isEqualTo(younger);
  }

  @ParameterizedTest
  @CsvSource({"999, true, false", "1000, true, true", "1000, false, false"})
  void elseOnlyAFileWithoutANameCanBeYounger(long earliest, boolean nameless, boolean younger) {
    assertThat(HeldFiles.isYounger(UNKNOWN, earliest, nameless, BEGAN)).isEqualTo(younger);
  }
}
