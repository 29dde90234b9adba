package io.memguard.limits;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.memguard.limits.RuntimeTuning.Target;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Tag("engine-independent")
final class RuntimeTuningTest {
  @Test
  void itIsOffUnlessAskedFor() {
    assertThat(LaunchOptions.defaults().tuning()).isEqualTo(RuntimeTuning.off());
    assertThat(RuntimeTuning.of()).isEqualTo(RuntimeTuning.off());
  }

  @Test
  void whatIsWrittenIsRead() {
    assertThat(RuntimeTuning.parse("auto")).isEqualTo(RuntimeTuning.auto());
    assertThat(RuntimeTuning.parse("off")).isEqualTo(RuntimeTuning.off());
    assertThat(RuntimeTuning.parse("jvm,thread-stacks,jvm"))
        .isEqualTo(RuntimeTuning.of(Target.THREAD_STACKS, Target.JVM));
    for (Target target : Target.values()) {
      assertThat(RuntimeTuning.parse(target.label())).isEqualTo(RuntimeTuning.of(target));
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "Auto", "perl", "jvm,", "jvm node", "auto,jvm"})
  void whatHasNoMeaningIsRefusedWithWhatHas(String text) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> RuntimeTuning.parse(text))
        .withMessage(
            "tuning \""
                + text
                + "\" has no meaning; it is auto, off, or some of"
                + " jvm,node,go,dotnet,glibc,thread-stacks");
  }

  @Test
  void itChoosesOrIsTold() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> new RuntimeTuning(true, Set.of(Target.GO)))
        .withMessageContaining("not both");
  }
}
