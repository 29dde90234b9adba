package io.memguard.platform;

import java.io.File;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * The programs that were started lately, and what their files say. Reading one takes some 60
 * microseconds; it is read again after a second, in case it was built anew.
 *
 * <p>Safe to share between threads.
 */
public final class ProgramFiles {
  private static final int MOST = 256;
  private static final long FRESH_NANOS = TimeUnit.SECONDS.toNanos(1);

  private final Map<Key, Read> known = new ConcurrentHashMap<>();

  /** As the launchers do, in the PATH that the JVM was started with. */
  private final String searched = System.getenv().getOrDefault("PATH", ":/bin:/usr/bin");

  private record Key(String program, @Nullable File directory) {}

  private record Read(ProgramFile file, long at) {}

  /** Reads the file that would be started, unless that has just been done. */
  public ProgramFile of(String program, @Nullable File directory) {
    Key key = new Key(program, directory);
    Read read = known.get(key);
    long now = System.nanoTime();
    if (read == null || now - read.at() > FRESH_NANOS) {
      if (known.size() >= MOST) {
        known.clear();
      }
      read = new Read(ProgramFile.of(program, directory, searched), now);
      known.put(key, read);
    }
    return read.file();
  }
}
