package io.memguard.docs;

import io.memguard.MemoryGuard;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.simple.SimpleMeterRegistry;
import java.nio.charset.StandardCharsets;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What the documentation's Java snippets find around them when they are run: each becomes the body
 * of {@link #snippet}, and its files are those of {@code src/test/snippets} and of its page. A
 * snippet that is to be understood by itself declares what it uses, and hides these.
 */
public abstract class Surroundings {
  /** One guard an application. */
  protected final MemoryGuard guard;

  /** A job that ends well. */
  protected final ProcessBuilder job = new ProcessBuilder("python3", "job.py");

  /** Room for it. */
  protected final MemoryLimits limits = MemoryLimits.of("512MiB");

  /** How it lives. */
  protected final LaunchOptions options = LaunchOptions.defaults();

  /** The application's own log. */
  protected final Logger log = LoggerFactory.getLogger(Surroundings.class);

  /** Where an application's meters are. */
  protected final MeterRegistry registry = new SimpleMeterRegistry();

  /** A program that works on tasks. */
  protected final ProcessBuilder worker = new ProcessBuilder("python3", "thumbnails.py");

  /** Some task for it. */
  protected final byte[] image = "an image".getBytes(StandardCharsets.UTF_8);

  /**
   * Made by {@link SnippetRunner}.
   *
   * @param guard the guard
   */
  protected Surroundings(MemoryGuard guard) {
    this.guard = guard;
  }

  /**
   * The snippet.
   *
   * @throws Exception whatever it throws
   */
  protected abstract void snippet() throws Exception;

  /**
   * An outcome, as a job that is refused memory has it.
   *
   * @return how it ended
   * @throws Exception if it could not be started
   */
  protected Outcome outcome() throws Exception {
    return guard.run(
        new ProcessBuilder("python3", "-c", "bytearray(1 << 30)"), MemoryLimits.of("64MiB"));
  }

  /** What an application does that is short of memory. */
  protected void shedLoad() {}

  /**
   * What it does when somebody has to get up.
   *
   * @param what what has failed
   * @param why why
   */
  protected void page(String what, String why) {}
}
