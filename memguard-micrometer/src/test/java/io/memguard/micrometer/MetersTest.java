package io.memguard.micrometer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.memguard.GuardedProcess;
import io.memguard.MemoryGuard;
import io.memguard.events.ChildLaunch;
import io.memguard.events.MemoryGuardListener;
import io.memguard.launch.LaunchException;
import io.memguard.limits.GuardOptions;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.Protection;
import io.memguard.limits.Requirement;
import io.memguard.recover.PoolOptions;
import io.memguard.recover.RetryPolicy;
import io.memguard.recover.WorkerPool;
import io.micrometer.core.instrument.Meter;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import io.micrometer.prometheusmetrics.PrometheusConfig;
import io.micrometer.prometheusmetrics.PrometheusMeterRegistry;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What the meters say of real children. */
@Timeout(60)
final class MetersTest {
  private static final MemoryLimits LIMITS = MemoryLimits.of("64MiB");
  private static final RetryPolicy TWICE =
      RetryPolicy.onOutOfMemory().maxAttempts(2).growBy(2).upTo("128MiB");

  private final SimpleMeterRegistry registry = new SimpleMeterRegistry();

  @Test
  void childrenAreCountedByHowTheyEnd() throws Exception {
    MemoryGuard guard = guard(new MemoryGuardMeters(registry, Tags.of("service", "reports")));
    try (guard) {
      guard.run(sh("exit 0"), LIMITS);
      guard.run(sh("exit 0"), LIMITS);
      guard.run(sh("exit 3"), LIMITS);
      guard.run(sh("kill -KILL $$"), LIMITS);
      guard.run(
          python("held = [bytearray(30 << 20) for _ in range(9)]"), LIMITS, named("greedy"), TWICE);
      guard.run(
          python("import time; held = bytearray(600 << 20); time.sleep(60)"),
          LIMITS.with(Protection.RLIMIT_DATA, Requirement.OFF),
          named("preempted"));
      assertThatExceptionOfType(LaunchException.class)
          .isThrownBy(() -> guard.run(new ProcessBuilder("/nowhere/at-all"), LIMITS));
    }
    assertThat(outcomes("sh", "success", "none", "nothing")).isEqualTo(2);
    assertThat(outcomes("sh", "exited", "none", "nothing")).isEqualTo(1);
    assertThat(outcomes("sh", "signalled", "none", "nothing")).isEqualTo(1);
    assertThat(outcomes("greedy", "out-of-memory", "allocation-denied", "retry")).isEqualTo(1);
    assertThat(outcomes("greedy", "out-of-memory", "allocation-denied", "give-up")).isEqualTo(1);
    assertThat(outcomes("preempted", "out-of-memory", "preempted", "nothing")).isEqualTo(1);
    assertThat(registry.get("memguard.kills").tag("by", "memguard").counter().count()).isOne();
    assertThat(registry.get("memguard.refusals").counters())
        .extracting(counter -> counter.count())
        .allSatisfy(count -> assertThat(count).isPositive())
        .isNotEmpty();
    assertThat(
            registry
                .get("memguard.launch.failures")
                .tags("name", "at-all", "step", "exec", "errno", "ENOENT", "next", "nothing")
                .counter()
                .count())
        .isOne();
    assertThat(registry.get("memguard.launches").tag("name", "greedy").timer().count())
        .isEqualTo(2);
    assertThat(
            registry
                .get("memguard.lifetime")
                .tag("name", "preempted")
                .timer()
                .totalTime(TimeUnit.MILLISECONDS))
        .isPositive();
    assertThat(registry.get("memguard.peak").tag("name", "greedy").summary().max())
        .isBetween(1024.0 * 1024, 600.0 * 1024 * 1024);
    assertThat(registry.get("memguard.peak.ratio").tag("name", "preempted").summary().max())
        .isGreaterThan(1);
    assertThat(registry.get("memguard.children.active").gauge().value()).isZero();
    assertThat(registry.getMeters())
        .allSatisfy(meter -> assertThat(meter.getId().getTag("service")).isEqualTo("reports"));
    assertThat(tagKeys())
        .as("every one has few values")
        .isSubsetOf("service", "name", "outcome", "cause", "next", "step", "errno", "call", "by");
  }

  private Set<String> tagKeys() {
    return registry.getMeters().stream()
        .map(Meter::getId)
        .flatMap(id -> id.getTags().stream())
        .map(tag -> tag.getKey())
        .collect(Collectors.toSet());
  }

  private double outcomes(String name, String outcome, String cause, String next) {
    return registry
        .get("memguard.outcomes")
        .tags("name", name, "outcome", outcome, "cause", cause, "next", next)
        .counter()
        .count();
  }

  @Test
  void whoLivesIsActive() throws Exception {
    try (MemoryGuard guard = guard(new MemoryGuardMeters(registry))) {
      GuardedProcess child = guard.start(sh("read line"), LIMITS);
      await(() -> active() == 1);
      child.destroyForcibly();
      await(() -> active() == 0);
    }
  }

  /** Of launches and ends, it may not be told all. */
  @Test
  void whoLivesIsActiveEvenWhileListenersBlock() throws Exception {
    CountDownLatch never = new CountDownLatch(1);
    MemoryGuardListener blocking =
        new MemoryGuardListener() {
          @Override
          public void launched(ChildLaunch launch) {
            try {
              never.await();
            } catch (InterruptedException e) {
              Thread.currentThread().interrupt();
            }
          }
        };
    GuardOptions options = GuardOptions.defaults().withListener(blocking);
    try (MemoryGuard guard =
        MemoryGuard.create(options.withListener(new MemoryGuardMeters(registry)))) {
      GuardedProcess child = guard.start(sh("read line"), LIMITS);
      guard.start(sh("exec sleep 600"), LIMITS);
      assertThat(active()).isEqualTo(2);
      child.destroyForcibly();
      await(() -> active() == 1);
      never.countDown();
    }
    assertThat(active()).isZero();
  }

  @Test
  void guardsOfOneRegistryAreCountedTogether() throws Exception {
    Tags others = Tags.of("service", "others");
    try (MemoryGuard first = guard(new MemoryGuardMeters(registry));
        MemoryGuard second = guard(new MemoryGuardMeters(registry));
        MemoryGuard third = guard(new MemoryGuardMeters(registry, others))) {
      first.start(sh("exec sleep 600"), LIMITS);
      second.start(sh("exec sleep 600"), LIMITS);
      third.start(sh("exec sleep 600"), LIMITS);
      assertThat(registry.get("memguard.children.active").gauges())
          .extracting(gauge -> gauge.value())
          .containsExactlyInAnyOrder(2.0, 1.0);
    }
  }

  private double active() {
    return registry.get("memguard.children.active").gauge().value();
  }

  @Test
  void aPoolIsMeasured() throws Exception {
    try (MemoryGuard guard = guard(new MemoryGuardMeters(registry))) {
      PoolOptions options = PoolOptions.workers(1).withRetry(TWICE.growBy(4).upTo("256MiB"));
      try (WorkerPool pool = guard.pool(worker(), LIMITS, options)) {
        new WorkerPoolMeters(pool, "thumbnails").bindTo(registry);
        assertThat(pool.submit("echo hello".getBytes(StandardCharsets.UTF_8)).get())
            .asString()
            .isEqualTo("hello");
        assertThat(pool("resident")).isGreaterThan(1 << 20);
        assertThat(pool("workers")).isOne();
        assertThatThrownBy(() -> pool.submit("eat 600".getBytes(StandardCharsets.UTF_8)).get())
            .isInstanceOf(ExecutionException.class);
        assertThat(pool.submit("eat 100".getBytes(StandardCharsets.UTF_8)).get()).isNotEmpty();
        assertThat(pool("queued")).isZero();
        await(() -> pool("busy") == 0); // the answer is known a little earlier
        assertThat(tasks("done")).isEqualTo(2);
        assertThat(tasks("errors")).isZero();
        assertThat(tasks("retried")).isOne();
        assertThat(tasks("quarantined")).isOne();
      }
    }
    assertThat(registry.get("memguard.outcomes").tag("next", "quarantine").counter().count())
        .isOne();
  }

  private double pool(String gauge) {
    return registry.get("memguard.pool." + gauge).tag("pool", "thumbnails").gauge().value();
  }

  private double tasks(String counter) {
    return registry
        .get("memguard.pool.tasks." + counter)
        .tag("pool", "thumbnails")
        .functionCounter()
        .count();
  }

  @Test
  void prometheusHasThemUnderTheNamesOfTheDocumentation() throws Exception {
    PrometheusMeterRegistry prometheus = new PrometheusMeterRegistry(PrometheusConfig.DEFAULT);
    try (MemoryGuard guard = guard(new MemoryGuardMeters(prometheus))) {
      guard.run(python("bytearray(600 << 20)"), LIMITS, named("greedy"));
    }
    assertThat(prometheus.scrape())
        .contains("memguard_children_active 0.0")
        .contains(
            "memguard_outcomes_total{cause=\"allocation-denied\",name=\"greedy\","
                + "next=\"nothing\",outcome=\"out-of-memory\"} 1.0")
        .contains("memguard_launches_seconds_count{name=\"greedy\"} 1")
        .contains("memguard_lifetime_seconds_sum{name=\"greedy\"} ")
        .contains("memguard_peak_bytes_max{name=\"greedy\"} ")
        .contains("memguard_peak_ratio_max{name=\"greedy\"} ")
        .contains("memguard_refusals_total{call=\"");
  }

  private static MemoryGuard guard(MemoryGuardMeters meters) {
    return MemoryGuard.create(GuardOptions.defaults().withListener(meters));
  }

  private static LaunchOptions named(String name) {
    return LaunchOptions.defaults().withName(name);
  }

  private static ProcessBuilder sh(String script) {
    return new ProcessBuilder("/bin/sh", "-c", script);
  }

  private static ProcessBuilder python(String program) {
    return new ProcessBuilder("python3", "-c", program);
  }

  /** The one of core's tests. */
  private static ProcessBuilder worker() {
    Path root = Path.of("..").toAbsolutePath();
    ProcessBuilder worker =
        new ProcessBuilder(
            List.of(
                "python3",
                "-S",
                root.resolve("memguard-core/src/test/resources/pool_worker.py").toString()));
    worker.environment().put("WORKER_KIT", root.resolve("memguard-examples/workers").toString());
    worker.environment().put("PYTHONDONTWRITEBYTECODE", "1");
    return worker;
  }

  private static void await(BooleanSupplier condition) throws Exception {
    long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
    while (!condition.getAsBoolean()) {
      assertThat(System.nanoTime() - deadline).as("still not so").isNegative();
      Thread.sleep(1);
    }
  }
}
