package io.memguard.micrometer;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import io.memguard.MemoryGuard;
import io.memguard.events.WhatNext;
import io.memguard.limits.GuardOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Cause;
import io.memguard.outcome.MemoryEvent;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The alerts of docs/events.md: Prometheus takes them, and what they ask for is there. */
@Timeout(60)
final class AlertsTest {
  private static final Path PAGE = Path.of("..", "docs", "events.md");

  /** Values of tags, as the meters have them. */
  private static final Map<String, List<String>> VALUES =
      Map.of(
          "cause", Stream.of(Cause.values()).map(Cause::label).toList(),
          "kind", Stream.of(MemoryEvent.Kind.values()).map(MemoryEvent.Kind::label).toList(),
          "next", Stream.of(WhatNext.values()).map(WhatNext::label).toList(),
          "outcome", List.of("out-of-memory"));

  private final PrometheusMeterRegistry prometheus =
      new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);

  @Test
  void askForMetersAndTagsThatAreThere() throws Exception {
    MemoryGuardMeters meters = new MemoryGuardMeters(prometheus);
    try (MemoryGuard guard = MemoryGuard.create(GuardOptions.defaults().withListener(meters))) {
      guard.run(
          new ProcessBuilder("python3", "-c", "bytearray(600 << 20)"), MemoryLimits.of("64MiB"));
      OptionalLong none = OptionalLong.empty();
      meters.memory(new MemoryEvent(none, MemoryEvent.Kind.HEADROOM_CRITICAL, 1, none, List.of()));
    }
    String scraped = prometheus.scrape();
    List<MatchResult> asked = found("(memguard_\\w+)(?:\\{([^}]*)\\})?", alerts());
    assertThat(asked).hasSize(11);
    for (MatchResult one : asked) {
      assertThat(scraped).contains("\n" + one.group(1) + "{");
      String tags = one.group(2) == null ? "" : one.group(2);
      for (MatchResult tag : found("(\\w+)=~?\"([^\"]*)\"", tags)) {
        assertThat(scraped)
            .containsPattern("\n" + one.group(1) + "\\{.*\\b" + tag.group(1) + "=\"");
        assertThat(VALUES.get(tag.group(1))).contains(tag.group(2).split("\\|", -1));
      }
    }
    assertThat(scraped).contains("outcome=\"out-of-memory\"");
  }

  /** The package is large, so that nobody has to have it. */
  @Test
  void areTakenByPrometheusWhereItIs(@TempDir Path directory) throws Exception {
    assumeThat(new ProcessBuilder("sh", "-c", "command -v promtool").start().waitFor()).isZero();
    Path rules = Files.writeString(directory.resolve("rules.yaml"), alerts());
    Process promtool =
        new ProcessBuilder("promtool", "check", "rules", "--lint-fatal", rules.toString())
            .redirectErrorStream(true)
            .start();
    String said = new String(promtool.getInputStream().readAllBytes(), UTF_8);
    assertThat(promtool.waitFor()).as(said).isZero();
    assertThat(said).contains("3 rules found");
  }

  private static List<MatchResult> found(String pattern, String text) {
    return Pattern.compile(pattern).matcher(text).results().toList();
  }

  private static String alerts() throws Exception {
    return found("(?s)```yaml\n(.*?)```", Files.readString(PAGE)).get(0).group(1);
  }
}
