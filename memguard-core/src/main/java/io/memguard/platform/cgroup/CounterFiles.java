package io.memguard.platform.cgroup;

import io.memguard.platform.OpenFile;
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
 * <p>Of the cgroups that may account the process itself, their own counters and those of all below
 * them; of the ones above, their own, which tell whose limit was reached. What all below those
 * count tells whether anybody else was killed there, so that is looked at rarely, and kept: then
 * there were more kills since than in truth, and never fewer.
 *
 * <p>A cgroup may be given the memory controller later, when somebody makes a leaf beside it: then
 * it counts from zero, and its files are opened when that is told, or with the next look at all of
 * them.
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

  private static final class Source {
    private final Cgroup cgroup;
    private final boolean hierarchical;
    private final boolean rare;
    private final Function<String, Counters> reader;
    private final Path path;
    private Optional<OpenFile> file = Optional.empty();

    Source(
        Cgroup cgroup,
        boolean hierarchical,
        boolean rare,
        Path path,
        Function<String, Counters> reader) {
      this.cgroup = cgroup;
      this.hierarchical = hierarchical;
      this.rare = rare;
      this.path = path;
      this.reader = reader;
    }

    private boolean open() {
      file = file.or(() -> OpenFile.open(path));
      return file.isPresent();
    }
  }

  /**
   * Opens the files of some cgroups, own first, and reads them; those that are not there are left
   * out.
   *
   * @param own how many of them, from the first on, may account the process itself
   * @param nanoClock as {@link System#nanoTime}
   */
  public CounterFiles(List<Cgroup> levels, int own, LongSupplier nanoClock) {
    this.nanoClock = nanoClock;
    for (int level = 0; level < levels.size(); level++) {
      Cgroup cgroup = levels.get(level);
      boolean itself = level < own;
      (itself ? cgroup.localCounterFiles() : cgroup.limitCounterFiles())
          .forEach((name, reader) -> add(cgroup, false, false, name, reader, itself));
      cgroup
          .hierarchicalCounterFile()
          .ifPresent(name -> add(cgroup, true, !itself, name, Counters::parse, itself));
    }
    readAll();
  }

  private void add(
      Cgroup cgroup,
      boolean hierarchical,
      boolean rare,
      String name,
      Function<String, Counters> reader,
      boolean evenIfAbsent) {
    Source source = new Source(cgroup, hierarchical, rare, cgroup.file(name), reader);
    if (source.open() || evenIfAbsent) {
      sources.add(source);
    }
  }

  /** Opens the files that were not there before. */
  public synchronized void openLate() {
    sources.forEach(Source::open);
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
    if (all) {
      openLate();
    }
    List<byte[]> texts = new ArrayList<>(sources.size());
    for (int i = 0; i < sources.size(); i++) {
      Source source = sources.get(i);
      texts.add(all || !source.rare ? text(source) : last.texts.get(i));
    }
    last = new Reading(nanoClock.getAsLong(), texts);
    if (all) {
      allRead = last.nanos;
    }
    return last;
  }

  private static byte[] text(Source source) {
    return source.file.map(OpenFile::read).orElseGet(() -> new byte[0]);
  }

  /** Returns how much each cgroup's counters rose between two readings, own first. */
  public List<CounterChange> between(Reading before, Reading now) {
    List<CounterChange> changes = new ArrayList<>();
    for (Cgroup cgroup : sources.stream().map(source -> source.cgroup).distinct().toList()) {
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
        boolean begun = before.texts.get(i).length == 0; // to count: at zero
        Counters counted = counters(i, now);
        risen.putAll(begun ? counted.values() : counted.since(counters(i, before)).values());
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
    sources.forEach(source -> source.file.ifPresent(OpenFile::close));
  }
}
