package io.memguard.examples.queue;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A job is the same after its message was written and read. */
class JobTest {
  private static final Job JOB =
      Job.of("7", List.of("sh", "-c", "echo 'a\nb' ü", "", "\t"), "64MiB")
          .withTimeout(Duration.ofSeconds(3));

  @Test
  void survivesItsMessage() {
    assertThat(Job.fromFields(JOB.toFields())).isEqualTo(JOB);
    Job later = JOB.afterOutOfMemory("refused\n1MiB", 128 << 20).afterFailure("It exited with 1.");
    assertThat(Job.fromFields(later.toFields())).isEqualTo(later);
    assertThat(later.history()).containsExactly("64MiB: refused 1MiB", "128MiB: It exited with 1.");
    assertThat(later.memoryFailures()).isEqualTo(1);
    assertThat(later.otherFailures()).isEqualTo(1);
  }

  @ParameterizedTest
  @CsvSource({
    "job, ' ', has no id",
    "command, '', has no command",
    "limit, 0, has a limit of 0 bytes",
    "limit, much, field limit is no number",
    "timeout-ms, -1, has a timeout",
    "memory-failures, -1, has failed less than 0 times",
  })
  void refusesWhatIsNoJob(String field, String value, String why) {
    Map<String, String> fields = new HashMap<>(JOB.toFields());
    fields.put(field, value);
    assertThatThrownBy(() -> Job.fromFields(fields)).hasMessageContaining(why);
    fields.remove(field);
    assertThatThrownBy(() -> Job.fromFields(fields)).hasMessageContaining("has no field " + field);
  }
}
