package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.EffectiveLimit;
import io.memguard.platform.JvmMemory;
import io.memguard.platform.JvmMemory.Need;
import io.memguard.support.Children;
import io.memguard.support.WithGuard;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** What is said of a JVM's own settings, and when nothing is. */
@Tag("engine-independent")
@ExtendWith(WithGuard.class)
final class AdviceTest {
  private static final long MIB = 1 << 20;

  @Test
  void nothingWhereThereIsRoom() {
    assertThat(advice(2048, 512, OptionalLong.empty())).isEmpty();
    assertThat(advice(2048, 1600, OptionalLong.of(10 * MIB))).isEmpty();
  }

  @Test
  void aHeapThatIsLargerThanTheLimit() {
    assertThat(advice(2048, 4096, OptionalLong.empty()))
        .containsExactly(
            "The heap may grow to 4GiB by -XX:MaxHeapSize=x, and cgroup /pod has a limit of 2GiB"
                + " (memory.max): this JVM can be killed even if it has no children. Set for"
                + " example -Xmx974m, or raise the limit.");
  }

  @Test
  void aHeapThatLeavesNothing() {
    assertThat(advice(512, 384, OptionalLong.empty()))
        .containsExactly(
            "This JVM may need 484MiB, of that 384MiB for the heap by -XX:MaxHeapSize=x, and cgroup"
                + " /pod has a limit of 512MiB (memory.max): no more than 28MiB is left for"
                + " children. Set for example -Xmx206m, or raise the limit.");
  }

  @Test
  void aLimitThatNoHeapFitsInto() {
    assertThat(advice(100, 40, OptionalLong.empty()))
        .singleElement()
        .asString()
        .contains("nothing is left for children")
        .endsWith("Raise the limit: the rest of the JVM alone takes nearly all of it.");
  }

  @Test
  void directBuffersThatMayGrowAsLargeAsTheHeap() {
    assertThat(advice(1024, 600, OptionalLong.empty()))
        .containsExactly(
            "Direct buffers may grow to 600MiB, as much as the heap, and would leave no room for"
                + " children: cgroup /pod has a limit of 1GiB (memory.max), and this JVM may need"
                + " 700MiB without them. Set -XX:MaxDirectMemorySize to what they need.");
    assertThat(advice(1024, 600, OptionalLong.of(MIB))).isEmpty();
  }

  @Test
  void ofThisVeryJvm(MemoryGuard guard) {
    assertThat(guard.capabilities().advice()).isEmpty(); // a quarter of the machine is its heap
  }

  @Test
  void ofAJvmWithAHeapLargerThanTheMachine() throws Exception {
    Process jvm =
        Children.jvm(List.of("-XX:+UseSerialGC", "-Xmx4000g", "-Xms16m"), Adviser.class).start();
    assertThat(Children.output(jvm))
        .startsWith("[The heap may grow to 4000GiB by -XX:MaxHeapSize=4294967296000, and ")
        .contains(": this JVM can be killed even if it has no children. Set for example -Xmx");
    assertThat(jvm.waitFor()).isZero();
  }

  private static List<String> advice(long limit, long heap, OptionalLong maxDirect) {
    return Advice.of(
        new EffectiveLimit(
            EffectiveLimit.Kind.MAX, limit * MIB, "cgroup /pod", "memory.max", Optional.empty()),
        new JvmMemory(
            heap * MIB,
            "-XX:MaxHeapSize=x",
            0,
            maxDirect,
            List.of(
                new Need("heap", heap * MIB, "its maximum"), new Need("rest", 100 * MIB, "said")),
            OptionalLong.empty()));
  }

  /** A JVM of its own, with a heap of its own. */
  static final class Adviser {
    private Adviser() {}

    public static void main(String[] none) {
      try (MemoryGuard guard = MemoryGuard.create()) {
        System.out.println(guard.capabilities().advice());
      }
    }
  }
}
