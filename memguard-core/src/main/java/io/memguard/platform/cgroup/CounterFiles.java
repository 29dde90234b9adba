package io.memguard.platform.cgroup;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.function.LongSupplier;

/**
 * The counter files of a cgroup and those above it, kept open: a read of all is to cost a few
 * microseconds, because one is made at every launch. What is read is kept as it is, and understood
 * only when it is needed.
 *
 * <p>Of the cgroup itself, its own counters and those of all below it; of the ones above, their
 * own, which tell whose limit was reached. What all below those count tells whether anybody else
 * was killed there, so that is looked at rarely, and kept: then there were more kills since than in
 * truth, and never fewer.
 *
 * <p>Safe to share between threads.
 */
public final class CounterFiles implements AutoCloseable {
  private static final long RARELY_NANOS = TimeUnit.SECONDS.toNanos(10);

  private final List<Source> sources = new ArrayList<>();
  private final LongSupplier nanoClock;
  private Reading last = new Reading(0, List.of());
  private long allRead;

  /**
   * What all files said at one moment.
   *
   * @param nanos when, by the clock given
   * @param texts of each file; empty where it could not be read
   */
  public record Reading(long nanos, List<byte[]> texts) {}

  private record Source(
      Cgroup cgroup,
      boolean hierarchical,
      boolean rare,
      Function<String, Counters> reader,
      OpenFile file) {}

  /**
   * Opens the files of some cgroups, own first, and reads them; those that are not there are left
   * out.
   */
  public CounterFiles(List<Cgroup> levels) {
    this(levels, System::nanoTime);
  }

  /**
   * Opens them, with another clock.
   *
   * @param nanoClock as {@link System#nanoTime}
   */
  public CounterFiles(List<Cgroup> levels, LongSupplier nanoClock) {
    this.nanoClock = nanoClock;
    for (int level = 0; level < levels.size(); level++) {
      Cgroup cgroup = levels.get(level);
      boolean own = level == 0;
      (own ? cgroup.localCounterFiles() : cgroup.limitCounterFiles())
          .forEach((name, reader) -> open(cgroup, false, false, cgroup.file(name), reader));
      cgroup
          .hierarchicalCounterFile()
          .ifPresent(name -> open(cgroup, true, !own, cgroup.file(name), Counters::parse));
    }
    readAll();
  }

  private void open(
      Cgroup cgroup,
      boolean hierarchical,
      boolean rare,
      Path file,
      Function<String, Counters> reader) {
    OpenFile.open(file)
        .ifPresent(opened -> sources.add(new Source(cgroup, hierarchical, rare, reader, opened)));
  }

  /** Reads for a launch: what is looked at rarely is up to ten seconds old. */
  public synchronized Reading read() {
    return read(nanoClock.getAsLong() - allRead >= RARELY_NANOS);
  }

  /** Reads all files. */
  public synchronized Reading readAll() {
    return read(true);
  }

  private Reading read(boolean all) {
    List<byte[]> texts = new ArrayList<>(sources.size());
    for (int i = 0; i < sources.size(); i++) {
      Source source = sources.get(i);
      texts.add(all || !source.rare ? source.file.read() : last.texts.get(i));
    }
    last = new Reading(nanoClock.getAsLong(), texts);
    if (all) {
      allRead = last.nanos;
    }
    return last;
  }

  /** Returns how much each cgroup's counters rose between two readings, own first. */
  public List<CounterChange> between(Reading before, Reading now) {
    List<CounterChange> changes = new ArrayList<>();
    for (Cgroup cgroup : sources.stream().map(Source::cgroup).distinct().toList()) {
      Optional<Counters> hierarchical = change(cgroup, true, before, now);
      Optional<Counters> local = change(cgroup, false, before, now);
      if (hierarchical.isPresent() || local.isPresent()) {
        changes.add(new CounterChange(cgroup, hierarchical, local));
      }
    }
    return changes;
  }

  private Optional<Counters> change(
      Cgroup cgroup, boolean hierarchical, Reading before, Reading now) {
    Map<Counter, Long> risen = new EnumMap<>(Counter.class);
    for (int i = 0; i < sources.size(); i++) {
      Source source = sources.get(i);
      if (source.cgroup == cgroup && source.hierarchical == hierarchical) {
        risen.putAll(counters(i, now).since(counters(i, before)).values());
      }
    }
    return risen.isEmpty() ? Optional.empty() : Optional.of(new Counters(risen));
  }

  private Counters counters(int source, Reading reading) {
    String text = new String(reading.texts.get(source), StandardCharsets.US_ASCII);
    return sources.get(source).reader.apply(text);
  }

  @Override
  public synchronized void close() {
    sources.forEach(source -> source.file.close());
  }
}
