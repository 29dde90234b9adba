package io.memguard.examples.images;

import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/** How far the batch is. Safe to share between threads. */
interface Progress extends AutoCloseable {
  /** One more is done. */
  void step();

  @Override
  void close();

  /**
   * Returns a bar where somebody watches a terminal, which {@code run} knows, and lines elsewhere.
   */
  static Progress of(int all) {
    return Boolean.getBoolean("images.bar") ? new Bar(all) : new Lines(all);
  }

  /** A bar that moves. */
  final class Bar implements Progress {
    private final ProgressBar bar;

    Bar(int all) {
      bar =
          new ProgressBarBuilder()
              .setTaskName("Thumbnails")
              .setInitialMax(all)
              .setStyle(ProgressBarStyle.ASCII)
              .showSpeed()
              .build();
    }

    @Override
    public void step() {
      bar.step();
    }

    @Override
    public void close() {
      bar.close();
    }
  }

  /** A line for each tenth. */
  final class Lines implements Progress {
    private static final int LINES = 10;
    private final int all;
    private int done;

    Lines(int all) {
      this.all = all;
    }

    @Override
    public synchronized void step() {
      done++;
      if (done * LINES / all > (done - 1) * LINES / all) {
        System.out.println(done + " of " + all + " pictures");
      }
    }

    @Override
    public void close() {}
  }
}
