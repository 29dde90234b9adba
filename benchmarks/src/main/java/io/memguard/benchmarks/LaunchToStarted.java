package io.memguard.benchmarks;

import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * For how long the call that starts a child keeps its caller; the wait for the child's end is not
 * measured.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.SampleTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@SuppressWarnings("NullAway.Init") // JMH sets the fields
public class LaunchToStarted {
  /** How the child is started. */
  @Param public Way way;

  private Launcher launcher;
  private Launcher.Started started;

  /** Opens the launcher. */
  @Setup
  public void open() {
    launcher = way.open();
  }

  /** Closes it. */
  @TearDown
  public void close() {
    launcher.close();
  }

  /** Lets one child end before the next is started. */
  @TearDown(Level.Invocation)
  public void await() throws Exception {
    started.await();
  }

  /** Starts a child. */
  @Benchmark
  public Object launch() throws Exception {
    started = launcher.start();
    return started;
  }
}
