package io.memguard.micrometer;

import io.memguard.recover.WorkerPool;
import io.memguard.recover.WorkerPool.Statistics;
import io.memguard.recover.WorkerPool.WorkerState;
import io.micrometer.core.instrument.FunctionCounter;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.binder.BaseUnits;
import io.micrometer.core.instrument.binder.MeterBinder;
import java.util.Objects;
import java.util.function.ToDoubleFunction;

/**
 * Measures a pool: its queue, its workers, and what it has done.
 *
 * <pre>{@code
 * new WorkerPoolMeters(pool, "thumbnails").bindTo(registry);
 * }</pre>
 *
 * <p>docs/events.md has the table of meters. A registry refers to the pool weakly, as Micrometer's
 * own binders have it. Memory is read whenever the gauge is, in bytes, of each worker
 * (proc_pid_statm(5)). Safe to share between threads.
 */
public final class WorkerPoolMeters implements MeterBinder {
  private final WorkerPool pool;
  private final Tags tags;

  /**
   * Prepares.
   *
   * @param pool which one
   * @param name the value of the tag {@code pool}
   */
  public WorkerPoolMeters(WorkerPool pool, String name) {
    this(pool, name, Tags.empty());
  }

  /**
   * Prepares, with tags.
   *
   * @param pool which one
   * @param name the value of the tag {@code pool}
   * @param tags what all meters have besides
   */
  public WorkerPoolMeters(WorkerPool pool, String name, Iterable<Tag> tags) {
    this.pool = Objects.requireNonNull(pool, "pool");
    this.tags = Tags.of(tags).and("pool", name);
  }

  @Override
  public void bindTo(MeterRegistry registry) {
    gauge(
        registry,
        "queued",
        "tasks",
        "Tasks that wait for a worker",
        all -> all.statistics().waiting());
    gauge(registry, "workers", "workers", "Workers that live", all -> all.workers().size());
    gauge(
        registry,
        "busy",
        "workers",
        "Workers that work on a task",
        all -> all.workers().stream().filter(WorkerState::busy).count());
    gauge(
        registry,
        "resident",
        BaseUnits.BYTES,
        "What all workers hold, without their descendants",
        all -> all.workers().stream().mapToLong(one -> one.residentBytes().orElse(0)).sum());
    counter(registry, "done", "Tasks that completed with a result", Statistics::done);
    counter(registry, "errors", "Tasks that completed with an error", Statistics::errors);
    counter(registry, "quarantined", "Tasks that were set aside", Statistics::quarantined);
    counter(registry, "retried", "Attempts that were followed by another", Statistics::retried);
    FunctionCounter.builder(
            "memguard.pool.workers.started", pool, all -> all.statistics().workersStarted())
        .description("Workers that were ready once")
        .tags(tags)
        .register(registry);
  }

  private void gauge(
      MeterRegistry registry,
      String what,
      String unit,
      String description,
      ToDoubleFunction<WorkerPool> value) {
    Gauge.builder("memguard.pool." + what, pool, value)
        .description(description)
        .baseUnit(unit)
        .tags(tags)
        .register(registry);
  }

  private void counter(
      MeterRegistry registry, String what, String description, ToDoubleFunction<Statistics> value) {
    FunctionCounter.builder(
            "memguard.pool.tasks." + what, pool, all -> value.applyAsDouble(all.statistics()))
        .description(description)
        .tags(tags)
        .register(registry);
  }
}
