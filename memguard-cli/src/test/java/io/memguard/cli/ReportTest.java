package io.memguard.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The fields of {@code --report}, which are a promise: what is unknown is absent. */
@Timeout(60)
class ReportTest {
  @TempDir Path directory;

  @Test
  void exited() throws Exception {
    JsonNode report = report("native", 3, "run", "sh", "-c", "exit 3");

    assertThat(report.get("outcome").asText()).isEqualTo("exited");
    assertThat(report.get("exitCode").asInt()).isEqualTo(3);
    assertThat(report.get("explanation").asText()).isEqualTo("It exited with code 3.");
    assertAbsent(
        report,
        "signal",
        "cause",
        "limitBytes",
        "refusedBytes",
        "suggestedLimitBytes",
        "refusals",
        "hung",
        "sample",
        "confidence");
    assertThat(report.get("attempts")).hasSize(1);
    assertThat(report.get("attempts").get(0).get("exitCode").asInt()).isEqualTo(3);
    assertAbsent(report.get("attempts").get(0), "attempts");
  }

  @Test
  void whatTheRuntimeWasToldOfItsLimit() throws Exception {
    String told = "test \"$GOMEMLIMIT\" = 380MiB";
    JsonNode report =
        report("native", 0, "run", "--memory=512MiB", "--tune=go,glibc", "sh", "-c", told);

    assertThat(report.get("tuning").get("GOMEMLIMIT").asText()).isEqualTo("380MiB");
    assertThat(report.get("tuning").get("MALLOC_ARENA_MAX").asText()).isEqualTo("2");
    JsonNode off = report("native", 1, "run", "--memory=512MiB", "sh", "-c", told);
    assertAbsent(off, "tuning");
  }

  @Test
  void signalled() throws Exception {
    JsonNode report = report("native", 137, "run", "sh", "-c", "kill -9 $$");

    assertThat(report.get("outcome").asText()).isEqualTo("signalled");
    assertThat(report.get("signal").asText()).isEqualTo("SIGKILL");
    assertAbsent(report, "exitCode", "cause", "confidence");
  }

  @ParameterizedTest
  @ValueSource(strings = {"native", "portable"})
  void outOfMemory(String engine) throws Exception {
    JsonNode report =
        report(engine, 137, "run", "--memory=64MiB", "python3", "-c", "bytearray(100 << 20)");

    assertThat(report.get("outcome").asText()).isEqualTo("out-of-memory");
    assertThat(report.get("cause").asText()).isEqualTo("allocation-denied");
    assertThat(report.get("confidence").asText()).isEqualTo("certain");
    assertThat(report.get("exitCode").asInt()).isEqualTo(1);
    assertThat(report.get("limitBytes").asLong()).isEqualTo(64 << 20);
    assertThat(report.get("refusedBytes").asLong()).isBetween(100L << 20, 101L << 20);
    assertThat(report.get("suggestedLimitBytes").asLong()).isBetween(113L << 20, 150L << 20);
    assertThat(report.get("peakRssBytes").asLong()).isPositive();
    assertThat(report.get("protections").get("rlimit-data").asText()).isEqualTo("active");
    assertThat(report.get("protections").get("witness").asText()).isEqualTo("active");
    JsonNode refused = report.get("refusals").get(0);
    assertThat(refused.get("name").asText()).startsWith("python");
    assertThat(refused.get("memory").asInt()).isEqualTo(1);
    assertThat(refused.get("threads").asInt()).isZero();
    assertThat(refused.get("largestBytes")).isEqualTo(report.get("refusedBytes"));
    JsonNode last = refused.get("last");
    assertThat(last.get("errno").asText()).isEqualTo("ENOMEM");
    assertThat(last.get("bytes")).isEqualTo(report.get("refusedBytes"));
    assertThat(last.get("thread")).isEqualTo(refused.get("pid"));
    assertThat(last.get("dataBytes").asLong()).isBetween(1L << 20, 64L << 20);
    assertAbsent(report, "signal");
  }

  @Test
  void preempted() throws Exception {
    String job =
        "import mmap, time; mmap.mmap(-1, 100 << 20).write(b'x' * (100 << 20)); time.sleep(60)";
    JsonNode report = report("native", 137, "run", "--tree-memory=64MiB", "python3", "-c", job);

    assertThat(report.get("outcome").asText()).isEqualTo("out-of-memory");
    assertThat(report.get("cause").asText()).isEqualTo("preempted");
    assertThat(report.get("confidence").asText()).isEqualTo("certain");
    assertThat(report.get("limitBytes").asLong()).isEqualTo(64 << 20);
    assertThat(report.get("treeLimitBytes").asLong()).isEqualTo(64 << 20);
    assertThat(report.get("suggestedLimitBytes").asLong()).isGreaterThanOrEqualTo(96 << 20);
    JsonNode reading = report.get("preemption");
    assertThat(reading.get("limit").asText()).isEqualTo("tree-memory");
    assertThat(reading.get("bytes").asLong()).isGreaterThan(64 << 20);
    assertThat(reading.get("processes").asInt()).isEqualTo(1);
    assertThat(reading.get("source").asText()).isEqualTo("smaps_rollup");
    assertThat(report.get("protections").get("tree-watch").asText()).isEqualTo("active");
  }

  @Test
  void refusedAndCarriedOn() throws Exception {
    String job = "try: bytearray(100 << 20)\nexcept MemoryError: pass";
    JsonNode report = report("native", 0, "run", "--memory=64MiB", "python3", "-c", job);

    assertThat(report.get("outcome").asText()).isEqualTo("exited");
    assertThat(report.get("exitCode").asInt()).isZero();
    assertThat(report.get("refusedBytes").asLong()).isBetween(100L << 20, 101L << 20);
    assertAbsent(report, "cause", "confidence", "suggestedLimitBytes");
  }

  @ParameterizedTest
  @ValueSource(strings = {"native", "portable"})
  void hung(String engine) throws Exception {
    String job = "import time\ntry: bytearray(100 << 20)\nexcept MemoryError: time.sleep(1000)";
    JsonNode report =
        report(engine, 137, "run", "--memory=64MiB", "--hang-grace=500ms", "python3", "-c", job);

    assertThat(report.get("outcome").asText()).isEqualTo("out-of-memory");
    assertThat(report.get("cause").asText()).isEqualTo("allocation-denied");
    assertThat(report.get("confidence").asText()).isEqualTo("probable");
    assertThat(report.get("hung").asBoolean()).isTrue();
    assertThat(report.get("signal").asText()).isEqualTo("SIGTERM");
    assertThat(report.get("refusedBytes").asLong()).isBetween(100L << 20, 101L << 20);
    assertAbsent(report, "sample");
  }

  @Test
  void sampled() throws Exception {
    String job =
        "import os, mmap, time; held = mmap.mmap(-1, 240 << 20, mmap.MAP_PRIVATE);"
            + " time.sleep(4); os._exit(3)"; // it is looked at after 20 ms
    JsonNode report =
        report("native", 137, "run", "--memory=256MiB", "--witness=off", "python3", "-c", job);

    assertThat(report.get("cause").asText()).isEqualTo("allocation-denied");
    assertThat(report.get("confidence").asText()).isEqualTo("possible");
    assertThat(report.get("hung").asBoolean()).isFalse();
    JsonNode sample = report.get("sample");
    assertThat(sample.get("name").asText()).startsWith("python");
    assertThat(sample.get("pid").asLong()).isPositive();
    assertThat(sample.get("dataBytes").asLong()).isBetween(240L << 20, 256L << 20);
    assertThat(sample.get("peakAddressBytes").asLong()).isGreaterThan(240L << 20);
    assertThat(sample.get("peakRssBytes").asLong()).isBetween(1L << 20, 62L << 20);
    assertThat(sample.get("ageMillis").asLong()).isBetween(0L, 60_000L);
  }

  @Test
  void timedOut() throws Exception {
    JsonNode report = report("native", 124, "run", "--timeout=300ms", "sleep", "1000");

    assertThat(report.get("outcome").asText()).isEqualTo("timed-out");
    assertThat(report.get("signal").asText()).isEqualTo("SIGTERM");
    assertAbsent(report, "exitCode", "cause");
  }

  /** What exec leaves in the child's figures is the JVM's, not the child's: tens of MiB. */
  @RepeatedTest(5)
  void peakIsTheCommandsOwn() throws Exception {
    JsonNode report = report("native", 0, "run", "true");

    assertThat(report.path("peakRssBytes").asLong(0)).isLessThan(16 << 20);
  }

  @Test
  void protectionThatIsOff() throws Exception {
    JsonNode report = report("native", 0, "run", "--memory=64M", "--witness=off", "true");

    assertThat(report.get("protections").get("rlimit-data").asText()).isEqualTo("active");
    assertAbsent(report.get("protections"), "witness");
  }

  @Test
  void launchFailed() throws Exception {
    JsonNode report = report("native", 127, "run", "no-such-program");

    assertThat(report.get("outcome").asText()).isEqualTo("launch-failed");
    assertThat(report.get("step").asText()).isEqualTo("exec");
    assertThat(report.get("errno").asText()).isEqualTo("ENOENT");
    assertThat(report.get("explanation").asText()).contains("no-such-program");
    assertThat(report.get("attempts")).hasSize(1);
    assertAbsent(report, "exitCode", "signal", "limitBytes", "protections");
  }

  /** A pipe or a device is written to; it must not be replaced by a file. */
  @Test
  void intoAPipe() throws Exception {
    Path pipe = directory.resolve("pipe");
    assertThat(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor()).isZero();
    CompletableFuture<JsonNode> reader =
        CompletableFuture.supplyAsync(() -> read(pipe)); // opening it waits for the writer

    Memguard.Result result = Memguard.run("run", "--report", pipe.toString(), "true");

    assertThat(result.status()).as(result.error()).isZero();
    assertThat(reader.get().get("outcome").asText()).isEqualTo("exited");
    assertThat(Files.isRegularFile(pipe)).isFalse();
  }

  /** What others have written to it, and will, stays. */
  @ParameterizedTest
  @ValueSource(strings = {"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"})
  void intoAFileThatIsOpenHereAlready(String name) throws Exception {
    Process shell =
        new Memguard()
            .through("sh", "-c", "echo before; \"$@\"; echo after", "sh")
            .in(directory)
            .start("run", "--report", name, "echo", "said");

    assertThat(shell.waitFor()).isZero();
    assertThat(Files.readString(directory.resolve("out")))
        .startsWith("before\nsaid\n{")
        .endsWith("}\nafter\n");
  }

  @ParameterizedTest
  @ValueSource(strings = {"/dev/fd/99", "/proc/self/fd/99"})
  void whatIsNotOpenIsFoundOutBefore(String name) throws Exception {
    Memguard.Result result = Memguard.run("run", "--report", name, "echo", "said");

    assertThat(result.status()).isEqualTo(125);
    assertThat(result.text()).isEmpty();
  }

  /** As /proc/1/fd/1 is in a container: its link says "pipe:[4711]", which is no file. */
  @Test
  void intoAPipeOfAnotherProcess() throws Exception {
    Process cat = new ProcessBuilder("cat").start();
    Memguard.Result result =
        Memguard.run("run", "--report", "/proc/" + cat.pid() + "/fd/0", "true");
    cat.getOutputStream().close();

    assertThat(result.status()).as(result.error()).isZero();
    assertThat(new String(cat.getInputStream().readAllBytes(), UTF_8)).startsWith("{");
  }

  @Test
  void whoMayReadTheOldOneMayReadTheNewOne() throws Exception {
    Path file = Files.writeString(directory.resolve("r.json"), "old");
    Set<PosixFilePermission> ours = PosixFilePermissions.fromString("rw-------");
    Files.setPosixFilePermissions(file, ours);

    Memguard.run("run", "--report", file.toString(), "true");

    assertThat(read(file).get("exitCode").asInt()).isZero();
    assertThat(Files.getPosixFilePermissions(file)).isEqualTo(ours);
  }

  @Test
  void aLinkIsFollowedAlsoToWhatIsNotThere() throws Exception {
    Path link = Files.createSymbolicLink(directory.resolve("link"), Path.of("r.json"));

    Memguard.run("run", "--report", link.toString(), "true");

    assertThat(link).isSymbolicLink();
    assertThat(read(directory.resolve("r.json")).get("exitCode").asInt()).isZero();
  }

  /** The command has ended, so it is memguard that a signal means. */
  @Test
  void intoAPipeThatNobodyReads() throws Exception {
    Path pipe = directory.resolve("pipe");
    assertThat(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor()).isZero();
    Process memguard = new Memguard().start("run", "--report", pipe.toString(), "true");
    try {
      boolean ended = false;
      for (int attempt = 0; attempt < 300 && !ended; attempt++) {
        memguard.destroy();
        ended = memguard.waitFor(200, TimeUnit.MILLISECONDS);
      }
      assertThat(ended).as("SIGTERM ends it").isTrue();
    } finally {
      memguard.destroyForcibly();
    }
  }

  /** The file of an earlier run must not pass for this one's, whatever happens to memguard. */
  @Test
  void anOldReportIsGoneWhileTheCommandRuns() throws Exception {
    Path file = Files.writeString(directory.resolve("r.json"), "{\"outcome\":\"old\"}");

    Memguard.Result result =
        Memguard.run("run", "--report", file.toString(), "test", "-e", file.toString());

    assertThat(result.status()).isEqualTo(1);
    assertThat(read(file).get("exitCode").asInt()).isEqualTo(1);
  }

  /** As /dev/termination-log is in a pod: a file that can be written and not replaced. */
  @Test
  void intoAFileThatIsMounted() throws Exception {
    FirstProcessTest.requireNamespaces();
    Path file = Files.writeString(directory.resolve("log"), "old and longer".repeat(1000));

    Memguard.Result result =
        new Memguard()
            .through("unshare", "--mount")
            .through("sh", "-c", "mount --bind \"$0\" \"$0\" && exec \"$@\"", file.toString())
            .call("run", "--report", file.toString(), "sh", "-c", "cat " + file + "; exit 4");

    assertThat(result.status()).as(result.error()).isEqualTo(4);
    assertThat(result.text()).as("while the command ran").isEmpty();
    assertThat(read(file).get("exitCode").asInt()).isEqualTo(4);
  }

  @Test
  void onAFullFileSystemNothingIsThrownAwayAndNothingRun() throws Exception {
    FirstProcessTest.requireNamespaces();
    String full =
        "mount -t tmpfs -o nr_inodes=2 none \"$0\" && echo old >\"$0/r.json\" && \"$@\"; status=$?;"
            + " cat \"$0/r.json\"; exit $status";

    Memguard.Result result =
        new Memguard()
            .through("unshare", "--mount")
            .through("sh", "-c", full, directory.toString())
            .call("run", "--report", directory.resolve("r.json").toString(), "echo", "ran");

    assertThat(result.status()).as(result.error()).isEqualTo(125);
    assertThat(result.error()).contains("r.json\" cannot be written: No space left on device");
    assertThat(result.text()).isEqualTo("old\n");
  }

  private JsonNode report(String engine, int status, String... args) throws Exception {
    Path file = directory.resolve("r.json");
    List<String> all = new ArrayList<>(List.of(args));
    all.addAll(1, List.of("--report", file.toString()));
    Memguard.Result result = new Memguard().engine(engine).call(all.toArray(String[]::new));
    assertThat(result.status()).as(result.error()).isEqualTo(status);
    try (var files = Files.list(directory)) {
      assertThat(files).containsExactly(file); // nothing else is left behind
    }
    return read(file);
  }

  private static JsonNode read(Path file) {
    try {
      return new ObjectMapper().readTree(file.toFile());
    } catch (java.io.IOException e) {
      throw new java.io.UncheckedIOException(e);
    }
  }

  private static void assertAbsent(JsonNode report, String... fields) {
    for (String field : fields) {
      assertThat(report.has(field)).as("%s in %s", field, report).isFalse();
    }
  }
}
