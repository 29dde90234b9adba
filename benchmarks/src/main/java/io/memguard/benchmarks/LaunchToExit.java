package io.memguard.benchmarks;

import java.io.FileInputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** From the call that starts a child until its exit status is known. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@SuppressWarnings("NullAway.Init") // JMH sets the fields
public class LaunchToExit {
  /** How the child is started. */
  @Param public Way way;

  /** How many descriptors the JVM has open besides. */
  @Param("0")
  public int descriptors;

  private final List<FileInputStream> open = new ArrayList<>();
  private Launcher launcher;

  /** Opens the descriptors, then the launcher. */
  @Setup
  public void open() throws IOException {
    for (int i = 0; i < descriptors; i++) {
      open.add(new FileInputStream("/dev/null"));
    }
    launcher = way.open();
  }

  /** Closes both. */
  @TearDown
  public void close() throws IOException {
    launcher.close();
    for (FileInputStream file : open) {
      file.close();
    }
  }

  /** Starts a child and waits for it. */
  @Benchmark
  public int launch() throws Exception {
    return launcher.start().await();
  }
}
