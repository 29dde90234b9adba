package io.memguard.platform.cgroup;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/**
 * The counter files of a cgroup and those above it, kept open: a read of all is to cost a few
 * microseconds, because one is made at every launch. What is read is kept as it is, and understood
 * only when it is needed.
 *
 * <p>Of the cgroup itself, its own counters and those of all below it; of the ones above, their own
 * only, which tell whose limit was reached.
 *
 * <p>Safe to share between threads.
 */
public final class CounterFiles implements AutoCloseable {
  private static final int LARGEST = 512;

  private final List<Source> sources = new ArrayList<>();
  private final byte[] buffer = new byte[LARGEST];

  /**
   * What all files said at one moment.
   *
   * @param nanos when, by {@link System#nanoTime}
   * @param texts of each file; empty where it could not be read
   */
  public record Reading(long nanos, List<byte[]> texts) {}

  private record Source(
      Cgroup cgroup,
      boolean hierarchical,
      Function<String, Counters> reader,
      RandomAccessFile file) {}

  /** Opens the files of some cgroups, own first; those that are not there are left out. */
  public CounterFiles(List<Cgroup> levels) {
    for (int level = 0; level < levels.size(); level++) {
      Cgroup cgroup = levels.get(level);
      boolean own = level == 0;
      (own ? cgroup.localCounterFiles() : cgroup.limitCounterFiles())
          .forEach((name, reader) -> open(cgroup, false, cgroup.file(name), reader));
      if (own) {
        cgroup
            .hierarchicalCounterFile()
            .ifPresent(name -> open(cgroup, true, cgroup.file(name), Counters::parse));
      }
    }
  }

  private void open(
      Cgroup cgroup, boolean hierarchical, Path file, Function<String, Counters> reader) {
    if (Files.isReadable(file)) {
      try {
        sources.add(
            new Source(cgroup, hierarchical, reader, new RandomAccessFile(file.toFile(), "r")));
      } catch (IOException e) {
        // what cannot be opened is not known, as if it were not there
      }
    }
  }

  /** Reads all files. */
  public synchronized Reading read() {
    List<byte[]> texts = new ArrayList<>(sources.size());
    for (Source source : sources) {
      texts.add(text(source.file));
    }
    return new Reading(System.nanoTime(), texts);
  }

  private byte[] text(RandomAccessFile file) {
    try {
      file.seek(0);
      int length = file.read(buffer, 0, LARGEST);
      return length <= 0 ? new byte[0] : Arrays.copyOf(buffer, length);
    } catch (IOException e) {
      return new byte[0]; // it was removed, or this object is closed
    }
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
    for (Source source : sources) {
      try {
        source.file.close();
      } catch (IOException e) {
        // it was only read from
      }
    }
  }
}
