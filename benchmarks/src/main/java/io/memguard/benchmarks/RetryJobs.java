package io.memguard.benchmarks;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The jobs of {@link Retries}: each takes what it needs in a way of its own, and ends. */
record RetryJobs(String name, ProcessBuilder command) {
  /** What is taken is also written to, as jobs do. The numbers are MiB, or threads. */
  private static final String PYTHON =
      """
      import subprocess, sys, threading
      MIB = 1 << 20

      def block(size):
          return b'x' * (size * MIB)

      def vector(size):
          items = b'x' * MIB
          while len(items) < size * MIB:
              items = items + items

      def steady(size):
          return [b'x' * MIB for _ in range(size)]

      def threads(count):
          there = threading.Barrier(count)
          pool = [threading.Thread(target=there.wait, daemon=True) for _ in range(count - 1)]
          for one in pool:
              one.start()
          there.wait()

      def again(how, size):
          return [sys.executable, '-c', PROGRAM, how, str(size)]

      def workers(size):
          pool = [subprocess.Popen(again('steady', size)) for _ in range(3)]
          sys.exit(max([abs(one.wait()) for one in pool]))

      def worker(size):
          sys.exit(abs(subprocess.call(again('block', size))))

      globals()[sys.argv[1]](int(sys.argv[2]))
      """;

  /** A program cannot read its own text, but for what its parent tells. */
  private static final String SELF = "import sys\nPROGRAM = sys.argv.pop()\nexec(PROGRAM)\n";

  /** That a JVM otherwise leaves behind which dies. */
  private static final String NO_FILE = "-XX:ErrorFile=/dev/null";

  static List<RetryJobs> all() {
    List<RetryJobs> jobs = new ArrayList<>();
    for (int size : new int[] {20, 40, 100, 220, 480, 640}) {
      jobs.add(python("block", size));
    }
    for (int size : new int[] {32, 64, 128, 256}) {
      jobs.add(python("vector", size));
    }
    for (int size : new int[] {50, 90, 180, 350}) {
      jobs.add(python("steady", size));
    }
    jobs.add(python("threads", 9));
    jobs.add(python("threads", 25));
    jobs.add(python("worker", 150));
    jobs.add(python("workers", 60));
    String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
    jobs.add(new RetryJobs("java's start", start(java, "-Xms8m")));
    jobs.add(new RetryJobs("java's, -Xms80m", start(java, "-Xms80m")));
    return jobs;
  }

  private static RetryJobs python(String how, int size) {
    return new RetryJobs(
        how + " " + size, new ProcessBuilder("python3", "-c", SELF, how, "" + size, PYTHON));
  }

  private static ProcessBuilder start(String java, String heap) {
    return new ProcessBuilder(java, NO_FILE, heap, "-Xmx96m", "-version");
  }
}
