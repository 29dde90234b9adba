package io.memguard.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** As the first process of a container, memguard has init's duties. */
@Timeout(120)
class FirstProcessTest {
  private static final String[] NAMESPACE = {"unshare", "--pid", "--fork", "--mount-proc"};

  @ParameterizedTest
  @ValueSource(strings = {"native", "portable"})
  void orphansAreBuried(String engine, @TempDir Path directory) throws Exception {
    requireNamespaces();
    String job =
        """
        mkfifo "$1"
        orphan=$(sh -c 'cat "$1" >&2 & echo $!' sh "$1")
        grep PPid "/proc/$orphan/status"
        : >"$1" # now it ends
        while [ -e "/proc/$orphan" ]; do sleep 0.01; done
        echo buried
        exit 5
        """;

    Memguard.Result result =
        new Memguard()
            .engine(engine)
            .through(NAMESPACE)
            .call("run", "--", "sh", "-c", job, "sh", directory.resolve("pipe").toString());

    assertThat(result.text()).isEqualTo("PPid:\t1\nburied\n");
    assertThat(result.status()).as("the guarded child's own status").isEqualTo(5);
  }

  /** Many containers have a first process that buries nobody but its own children. */
  @ParameterizedTest
  @ValueSource(strings = {"native", "portable"})
  void zombiesNobodyBuriesHoldNothingUp(String engine, @TempDir Path directory) throws Exception {
    requireNamespaces();
    Path careless =
        Files.writeString(
            directory.resolve("careless.py"),
            """
            import os, sys, time
            child = os.fork()
            if child == 0:
                os.execvp(sys.argv[2], sys.argv[2:])
            status = os.waitpid(child, 0)[1]
            print(time.time() - os.stat(sys.argv[1]).st_mtime)
            sys.exit(os.waitstatus_to_exitcode(status))
            """);

    String running = directory.resolve("running").toString();
    String job = "trap '' TERM; : >\"$1\"; sh -c 'sleep 1000' & wait";

    Memguard.Result result =
        new Memguard()
            .engine(engine)
            .through(NAMESPACE)
            .through("python3", careless.toString(), running)
            .call("run", "--timeout=2s", "--grace=100ms", "sh", "-c", job, "sh", running);

    assertThat(result.status()).isEqualTo(124);
    assertThat(Double.parseDouble(result.text())).as("seconds it ran").isLessThan(8);
  }

  /** A machine without namespaces can run the rest; continuous integration must run this too. */
  static void requireNamespaces() throws Exception {
    List<String> command = new ArrayList<>(List.of(NAMESPACE));
    command.add("true");
    boolean possible = new ProcessBuilder(command).start().waitFor() == 0;
    boolean mustWork = "1".equals(System.getenv("MEMGUARD_MUST_WORK"));
    assumeTrue(possible || mustWork, "needs CAP_SYS_ADMIN for unshare(1)");
  }
}
