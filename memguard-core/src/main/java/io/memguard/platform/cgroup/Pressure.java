package io.memguard.platform.cgroup;

import io.memguard.platform.OpenFile;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;

/**
 * Tells when the processes of our own cgroup, or of the machine, wait for memory: for as much of
 * the time as a trigger of the kernel's is set to in leaves. It looks at the total itself, because
 * where cgroups are read-only no trigger can be set.
 *
 * <p>Not safe to share between threads.
 *
 * @see <a href="https://docs.kernel.org/accounting/psi.html">the kernel's documentation</a>
 */
public final class Pressure implements AutoCloseable {
  /** In a cgroup of v2. */
  static final String FILE = "memory.pressure";

  static final String MACHINES = "/proc/pressure/memory";
  private static final String TOTAL = "total=";

  private static final long WINDOW_NANOS = TimeUnit.SECONDS.toNanos(2);
  private static final long WAITED_MICROS = TimeUnit.MILLISECONDS.toMicros(300);

  private final Optional<OpenFile> file;
  private boolean begun;
  private long windowBegan;
  private long total;

  /** Opens the file; where the kernel has none, there never is pressure. */
  public Pressure(Machine machine, CgroupSearch search) {
    file =
        search.levels().stream()
            .findFirst()
            .flatMap(own -> OpenFile.open(own.file(FILE)))
            .or(() -> machine.at(MACHINES).flatMap(OpenFile::open));
  }

  /**
   * Looks, if it is time to.
   *
   * @param now as {@link System#nanoTime}
   * @return true at most once in 2 seconds: if some process waited for 0.3 of them
   */
  public boolean rose(long now) {
    if (file.isEmpty() || (begun && now - windowBegan < WINDOW_NANOS)) {
      return false;
    }
    OptionalLong read = total(file.get().text());
    if (read.isEmpty()) {
      return false;
    }
    // A longer window waits in proportion: whoever looks seldom must not see more pressure.
    double windows = (double) (now - windowBegan) / WINDOW_NANOS;
    boolean rose = begun && read.getAsLong() - total >= WAITED_MICROS * windows;
    begun = true;
    windowBegan = now;
    total = read.getAsLong();
    return rose;
  }

  /** The first line is that of "some". */
  private static OptionalLong total(String text) {
    int at = text.indexOf(TOTAL);
    int end = text.indexOf('\n', at);
    return at < 0 || end < 0
        ? OptionalLong.empty()
        : KernelFile.number(text.substring(at + TOTAL.length(), end));
  }

  @Override
  public void close() {
    file.ifPresent(OpenFile::close);
  }
}
