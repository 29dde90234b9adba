package io.memguard.benchmarks;

import com.zaxxer.nuprocess.NuAbstractProcessHandler;
import com.zaxxer.nuprocess.NuProcess;
import com.zaxxer.nuprocess.NuProcessBuilder;
import java.util.concurrent.TimeUnit;
import org.apache.commons.exec.CommandLine;
import org.apache.commons.exec.DefaultExecutor;
import org.zeroturnaround.exec.ProcessExecutor;
import org.zeroturnaround.exec.StartedProcess;

/**
 * The ways to launch a child from Java, each as its own documentation begins: three pipes to the
 * child and nothing written to them.
 */
public enum Way {
  /** The JDK: three pipes, a thread a child that reaps it. */
  PROCESS_BUILDER("ProcessBuilder, unguarded", "three pipes") {
    @Override
    Launcher open() {
      return () -> new ProcessBuilder(PROGRAM).start()::waitFor;
    }
  },
  /** Three pipes and one thread that polls them all and reaps. */
  NU_PROCESS("NuProcess, unguarded", "three pipes, read by its event loop") {
    @Override
    Launcher open() {
      return () -> {
        NuProcess process =
            new NuProcessBuilder(new NuAbstractProcessHandler() {}, PROGRAM).start();
        return () -> process.waitFor(0, TimeUnit.SECONDS);
      };
    }
  },
  /**
   * ProcessBuilder's process, with two threads that copy its output; starting it waits for it too.
   */
  COMMONS_EXEC("commons-exec, unguarded", "three pipes, two threads that read them") {
    @Override
    Launcher open() {
      return () -> {
        int exitStatus = DefaultExecutor.builder().get().execute(new CommandLine(PROGRAM));
        return () -> exitStatus;
      };
    }
  },
  /** ProcessBuilder's process, with threads that copy its output and wait for it. */
  ZT_EXEC("zt-exec, unguarded", "two pipes, threads that read them and wait") {
    @Override
    Launcher open() {
      return () -> {
        StartedProcess process = new ProcessExecutor(PROGRAM).start();
        return () -> process.getFuture().get().getExitValue();
      };
    }
  },
  /** The default: RLIMIT_DATA, oom_score_adj, the witness. */
  GUARDED("guarded", "three pipes") {
    @Override
    Launcher open() {
      return GuardedLauncher.withWitness();
    }
  },
  /** RLIMIT_DATA and oom_score_adj only. */
  GUARDED_WITHOUT_WITNESS("guarded, without the witness", "three pipes") {
    @Override
    Launcher open() {
      return GuardedLauncher.withoutWitness();
    }
  },
  /** The engine for machines without the native library: prlimit(1) in front of the program. */
  GUARDED_PORTABLE("guarded, portable engine", "three pipes") {
    @Override
    Launcher open() {
      return GuardedLauncher.portable();
    }
  };

  static final String PROGRAM = "/bin/true";

  private final String label;
  private final String stdio;

  Way(String label, String stdio) {
    this.label = label;
    this.stdio = stdio;
  }

  abstract Launcher open();

  String label() {
    return label;
  }

  String stdio() {
    return stdio;
  }

  /** commons-exec can start a child without waiting, but then does not tell when it has started. */
  boolean tellsWhenStarted() {
    return this != COMMONS_EXEC;
  }
}
