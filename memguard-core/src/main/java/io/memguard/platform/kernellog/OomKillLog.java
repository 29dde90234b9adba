package io.memguard.platform.kernellog;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The processes that the OOM killer killed, as the kernel's log names them.
 *
 * <p>It is read only when somebody asks, on that thread, and without waiting. What was read is kept
 * for a while: it may be about a child that is asked about later. It owns the log. Safe to share
 * between threads.
 */
public final class OomKillLog implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(OomKillLog.class);
  private static final int MOST_KEPT = 1024;

  /** A log that is written faster than read must not keep the caller for ever. */
  private static final int MOST_POLLS = 16;

  /**
   * The log's clock and ours both began with the machine, but NTP steers only ours, by at most 500
   * millionths; and the kernel may write a little late.
   */
  private static final long SLACK_MICROS = TimeUnit.SECONDS.toMicros(10);

  private static final long DRIFT_PART = 2000;

  private final KernelLog log;
  private final LongSupplier nanoClock;
  private final OomKillReader reader = new OomKillReader();
  private final Deque<Entry> kept = new ArrayDeque<>();
  private volatile Mark last = new Mark(0, 0, 0);
  private boolean closed;

  private record Entry(long number, long micros, OomKill kill) {}

  /**
   * A moment, and how far the log had been read then.
   *
   * @param number of the last kill until then
   * @param lost how many records had been lost until then
   * @param micros when, on the kernel's monotonic clock
   */
  public record Mark(long number, long lost, long micros) {
    /** Tells whether a kill came later; one that was written shortly before passes for later. */
    private boolean isBefore(Entry entry) {
      return entry.number > number && entry.micros >= micros - SLACK_MICROS - micros / DRIFT_PART;
    }
  }

  /**
   * What the log says since a mark.
   *
   * @param kills the oldest first
   * @param now the same moment, and how far the log has been read now
   * @param complete whether nothing was lost
   */
  public record Since(List<OomKill> kills, Mark now, boolean complete) {}

  /**
   * Reads a log.
   *
   * @param nanoClock the kernel's monotonic clock, which {@link System#nanoTime} is on Linux
   */
  OomKillLog(KernelLog log, LongSupplier nanoClock) {
    this.log = log;
    this.nanoClock = nanoClock;
  }

  /**
   * Opens the kernel's log; what was written before does not count. The native library has to be
   * loaded.
   *
   * @throws IOException if it is not readable here; the message says why and what to do
   */
  public static OomKillLog open() throws IOException {
    return new OomKillLog(KernelLog.open(), System::nanoTime);
  }

  /**
   * Marks this moment; reads nothing. Nobody may have read the log for days, so what has been read
   * is not all that was written until now: the time tells.
   */
  public Mark mark() {
    Mark read = last;
    return new Mark(read.number, read.lost, TimeUnit.NANOSECONDS.toMicros(nanoClock.getAsLong()));
  }

  /** Reads what is new, and returns all that came after a mark. */
  public synchronized Since since(Mark mark) {
    boolean all = readAll();
    List<OomKill> kills = kept.stream().filter(mark::isBefore).map(Entry::kill).toList();
    boolean noneDropped = last.number - mark.number <= kept.size();
    return new Since(
        kills,
        new Mark(last.number, last.lost, mark.micros),
        all && noneDropped && last.lost == mark.lost);
  }

  private boolean readAll() {
    for (int polls = 0; polls < MOST_POLLS && !closed; polls++) {
      List<LogRecord> records;
      try {
        records = log.poll();
      } catch (IOException e) {
        LOG.debug("The kernel's log is not read any more", e);
        close();
        return false;
      }
      records.forEach(
          record -> reader.next(record.text()).ifPresent(kill -> keep(kill, record.micros())));
      last = new Mark(last.number, log.lost(), 0);
      if (records.isEmpty()) {
        return true;
      }
    }
    return false;
  }

  private void keep(OomKill kill, long micros) {
    last = new Mark(last.number + 1, last.lost, 0);
    kept.addLast(new Entry(last.number, micros, kill));
    if (kept.size() > MOST_KEPT) {
      kept.removeFirst();
    }
  }

  @Override
  public synchronized void close() {
    closed = true;
    log.close();
  }
}
