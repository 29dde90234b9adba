package io.memguard.cli;

import java.time.Duration;

/** Lines, for files and pipes: one when something happens, or memory has changed much. */
final class PlainView implements View {
  /** Of the limit, or where there is none, of what it had: less is no news. */
  private static final double MUCH = 0.05;

  private static final long LEAST = 1 << 20;

  private final long intervalNanos;
  private Duration toldAt = Duration.ZERO;
  private long told;
  private long toldOwn;
  private int attempt;

  PlainView(long intervalNanos) {
    this.intervalNanos = intervalNanos;
  }

  @Override
  public void show(Snapshot now) {
    boolean isTime = now.elapsed().minus(toldAt).toNanos() >= intervalNanos;
    if (now.reading().isEmpty() || !(isTime && isNews(now))) {
      return;
    }
    toldAt = now.elapsed();
    told = now.bytes();
    toldOwn = now.own().map(Snapshot.Own::bytes).orElse(0L);
    attempt = now.attempt();
    Console.say(StatusLines.plain(now));
  }

  private boolean isNews(Snapshot now) {
    long limit = now.reading().orElseThrow().limitBytes().orElse(told);
    long limitOfOwn = now.own().map(Snapshot.Own::limit).orElse(Long.MAX_VALUE);
    return now.attempt() != attempt
        || isMuch(now.bytes() - told, limit)
        || isMuch(now.own().map(Snapshot.Own::bytes).orElse(0L) - toldOwn, limitOfOwn);
  }

  private static boolean isMuch(long change, long of) {
    return Math.abs(change) >= Math.max(LEAST, of * MUCH);
  }

  @Override
  public boolean tell(Snapshot.Event event) {
    Console.say(StatusLines.plain(event));
    return true;
  }

  @Override
  public void close() {}
}
