package io.memguard.platform.kernellog;

import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
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

  private final KernelLog log;
  private final OomKillReader reader = new OomKillReader();
  private final Deque<Entry> kept = new ArrayDeque<>();
  private volatile Mark last = new Mark(0, 0);
  private boolean closed;

  private record Entry(long number, OomKill kill) {}

  /**
   * How far the log had been read at some moment.
   *
   * @param number of the last kill until then
   * @param lost how many records had been lost until then
   */
  public record Mark(long number, long lost) {}

  /**
   * What the log says since a mark.
   *
   * @param kills the oldest first
   * @param complete whether nothing was lost
   */
  public record Since(List<OomKill> kills, Mark now, boolean complete) {}

  OomKillLog(KernelLog log) {
    this.log = log;
  }

  /**
   * Opens the kernel's log; what was written before does not count. The native library has to be
   * loaded.
   *
   * @throws IOException if it is not readable here; the message says why and what to do
   */
  public static OomKillLog open() throws IOException {
    return new OomKillLog(KernelLog.open());
  }

  /** Marks what has been read until now; reads nothing. */
  public Mark mark() {
    return last;
  }

  /** Reads what is new, and returns all that came after a mark. */
  public synchronized Since since(Mark mark) {
    boolean all = readAll();
    List<OomKill> kills =
        kept.stream().filter(entry -> entry.number > mark.number).map(Entry::kill).toList();
    boolean noneDropped = kills.size() == last.number - mark.number;
    return new Since(kills, last, all && noneDropped && last.lost == mark.lost);
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
      records.forEach(record -> reader.next(record.text()).ifPresent(this::keep));
      last = new Mark(last.number, log.lost());
      if (records.isEmpty()) {
        return true;
      }
    }
    return false;
  }

  private void keep(OomKill kill) {
    last = new Mark(last.number + 1, last.lost);
    kept.addLast(new Entry(last.number, kill));
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
