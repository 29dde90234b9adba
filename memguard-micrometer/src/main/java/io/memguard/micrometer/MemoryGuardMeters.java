package io.memguard.micrometer;

import io.memguard.events.ChildEnd;
import io.memguard.events.ChildLaunch;
import io.memguard.events.FailedLaunch;
import io.memguard.events.MemoryGuardListener;
import io.memguard.outcome.Cause;
import io.memguard.outcome.MemoryEvent;
import io.memguard.outcome.MemoryEvent.Affected;
import io.memguard.outcome.Outcome;
import io.memguard.outcome.Refusal;
import io.micrometer.core.instrument.Counter;
import io.micrometer.core.instrument.DistributionSummary;
import io.micrometer.core.instrument.Gauge;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Tag;
import io.micrometer.core.instrument.Tags;
import io.micrometer.core.instrument.Timer;
import io.micrometer.core.instrument.binder.BaseUnits;
import java.util.Collections;
import java.util.Map;
import java.util.Objects;
import java.util.OptionalLong;
import java.util.Set;
import java.util.WeakHashMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.IntSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Counts and measures what becomes of a guard's children.
 *
 * <pre>{@code
 * MemoryGuard guard = MemoryGuard.create(
 *     GuardOptions.defaults().withListener(new MemoryGuardMeters(registry)));
 * }</pre>
 *
 * <p>docs/events.md has the table of meters. Every tag has few values: {@code name} is what {@link
 * io.memguard.limits.LaunchOptions#withName} says, or the program; no meter has a pid, a limit or
 * an argument. Sizes are in bytes.
 *
 * <p>A listener is told of refusals in every child that a witness watches, and they are looked for
 * once a second. May be given to several guards, or made anew for each: those with the same
 * registry and tags are counted together. A guard is referred to weakly. Safe to share between
 * threads.
 */
public final class MemoryGuardMeters implements MemoryGuardListener {
  private static final String NAME = "name";
  private static final String NONE = "none";

  /** A registry keeps the first gauge of a name, so all of us have to give it the same guards. */
  private static final Map<MeterRegistry, Map<Tags, Living>> LIVING =
      Collections.synchronizedMap(new WeakHashMap<>());

  private final MeterRegistry registry;
  private final Tags tags;
  private final Living living;

  /**
   * Makes meters, and registers the gauge of living children.
   *
   * @param registry where meters are registered
   */
  public MemoryGuardMeters(MeterRegistry registry) {
    this(registry, Tags.empty());
  }

  /**
   * Makes meters with tags, and registers the gauge of living children.
   *
   * @param registry where meters are registered
   * @param tags what all of them have besides their own
   */
  public MemoryGuardMeters(MeterRegistry registry, Iterable<Tag> tags) {
    this.registry = Objects.requireNonNull(registry, "registry");
    this.tags = Tags.of(tags);
    this.living =
        LIVING
            .computeIfAbsent(registry, key -> new ConcurrentHashMap<>())
            .computeIfAbsent(this.tags, all -> new Living());
    living.register(registry, this.tags);
  }

  /** The children of all guards that tell the same meters. */
  private static final class Living {
    private final Set<IntSupplier> guards =
        Collections.synchronizedSet(Collections.newSetFromMap(new WeakHashMap<>()));

    private @Nullable Gauge gauge;

    /** Registers it, also if the registry was cleared meanwhile. */
    synchronized void register(MeterRegistry registry, Tags tags) {
      if (gauge == null || !registry.getMeters().contains(gauge)) {
        gauge =
            Gauge.builder("memguard.children.active", guards, MemoryGuardMeters::active)
                .description("Children that live")
                .strongReference(true)
                .tags(tags)
                .register(registry);
      }
    }
  }

  /** What the guards say: of launches and ends, some may not be told. */
  private static double active(Set<IntSupplier> guards) {
    synchronized (guards) {
      return guards.stream().mapToInt(IntSupplier::getAsInt).sum();
    }
  }

  @Override
  public void guardOpened(IntSupplier living) {
    this.living.guards.add(living);
  }

  @Override
  public void launched(ChildLaunch launch) {
    Timer.builder("memguard.launches")
        .description("Launches that succeeded, and how long they took")
        .tags(tags)
        .tag(NAME, launch.name())
        .register(registry)
        .record(launch.took());
  }

  @Override
  public void launchFailed(FailedLaunch failure) {
    Counter.builder("memguard.launch.failures")
        .description("Children that could not be started")
        .tags(tags)
        .tag(NAME, failure.name())
        .tag("step", failure.step())
        .tag("errno", failure.errno().isEmpty() ? NONE : failure.errno())
        .tag("next", failure.next().label())
        .register(registry)
        .increment();
  }

  @Override
  public void memory(MemoryEvent event) {
    switch (event.kind()) {
      case REFUSED -> refused(event);
      case OOM_KILL -> kills("kernel", event.times());
      case PREEMPTED -> kills("memguard", event.times());
      default ->
          Counter.builder("memguard.pressure")
              .description("How often a child, or the container, came near a limit")
              .tags(tags)
              .tag("kind", event.kind().label())
              .tag("of", event.child().isPresent() ? "child" : "container")
              .register(registry)
              .increment((double) event.times());
    }
  }

  private void refused(MemoryEvent event) {
    Counter.builder("memguard.refusals")
        .description("Requests for memory, threads or processes that were refused in children")
        .tags(tags)
        .tag(
            "call",
            event.processes().stream()
                .findFirst()
                .flatMap(Affected::refusal)
                .map(Refusal::kind)
                .map(Refusal.Kind::label)
                .orElse("unknown"))
        .register(registry)
        .increment((double) event.times());
  }

  private void kills(String by, long times) {
    Counter.builder("memguard.kills")
        .description("Kills for want of memory that were seen while children lived or ended")
        .tags(tags)
        .tag("by", by)
        .register(registry)
        .increment((double) times);
  }

  @Override
  public void ended(ChildEnd end) {
    Outcome outcome = end.outcome();
    Tags named = tags.and(NAME, end.name());
    Counter.builder("memguard.outcomes")
        .description("How children ended, and what came next")
        .tags(named)
        .tag("outcome", outcome.isSuccess() ? "success" : outcome.label())
        .tag("cause", end.cause().map(Cause::label).orElse(NONE))
        .tag("next", end.next().label())
        .register(registry)
        .increment();
    Timer.builder("memguard.lifetime")
        .description("From launch to end")
        .tags(named)
        .register(registry)
        .record(outcome.evidence().elapsed());
    OptionalLong peak = end.peakBytes();
    OptionalLong limit = end.limitBytes();
    if (peak.isPresent()) {
      DistributionSummary.builder("memguard.peak")
          .description("The most memory that was seen of a child, where that is known")
          .baseUnit(BaseUnits.BYTES)
          .tags(named)
          .register(registry)
          .record((double) peak.getAsLong());
      if (limit.isPresent()) {
        DistributionSummary.builder("memguard.peak.ratio")
            .description("The same as a part of its limit")
            .tags(named)
            .register(registry)
            .record((double) peak.getAsLong() / limit.getAsLong());
      }
    }
  }
}
