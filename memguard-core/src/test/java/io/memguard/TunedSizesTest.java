package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The shares as docs/tuning.md has them, and no nonsense for odd limits. */
@Tag("engine-independent")
final class TunedSizesTest {
  private static final long MIB = 1 << 20;

  /** All in MiB. */
  @ParameterizedTest
  @CsvSource({
    "  64,   8,   8, 16, 2",
    " 128,  16,  44, 35, 2",
    " 192,  80,  89, 92, 2",
    " 512, 256, 313, 380, 4",
    "4096, 2048, 2822, 3606, 8"
  })
  void theSharesAreThoseOfTheDocs(long limit, long jvm, long node, long go, long stack) {
    assertThat(TunedSizes.jvmHeap(limit * MIB) / MIB).isEqualTo(jvm);
    assertThat(TunedSizes.nodeHeap(limit * MIB) / MIB).isEqualTo(node);
    assertThat(TunedSizes.goMemory(limit * MIB) / MIB).isEqualTo(go);
    assertThat(TunedSizes.stack(limit * MIB) / MIB).isEqualTo(stack);
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 100, 1 << 20, 113 << 20, 1L << 40, Long.MAX_VALUE})
  void anyLimitIsSharedWithoutOverflow(long limit) {
    assertThat(TunedSizes.jvmHeap(limit)).isBetween(0L, limit);
    assertThat(TunedSizes.jvmDirect(limit)).isBetween(0L, limit);
    assertThat(TunedSizes.nodeHeap(limit)).isBetween(0L, limit);
    assertThat(TunedSizes.goMemory(limit)).isBetween(0L, limit);
    assertThat(TunedSizes.dotnetHeap(limit)).isBetween(0L, limit);
    assertThat(TunedSizes.stack(limit)).isBetween(2 * MIB, 8 * MIB);
  }
}
