package io.memguard.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.memguard.Capabilities;
import io.memguard.doctor.Cgroups;
import io.memguard.doctor.Cgroups.Level;
import io.memguard.doctor.Cgroups.Version;
import io.memguard.doctor.LeafRoom;
import io.memguard.doctor.Surroundings;
import io.memguard.doctor.Surroundings.Clone3;
import io.memguard.doctor.Surroundings.Memory;
import io.memguard.doctor.Surroundings.Overcommit;
import io.memguard.doctor.Surroundings.Pressure;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine.Help.Ansi;

/** {@code memguard doctor} on the machine at hand, whatever that is. */
class DoctorTest {
  private static final long MIB = 1 << 20;
  private static final Map<Integer, String> VERDICTS =
      Map.of(0, "PROTECTED", 1, "PARTLY PROTECTED", 2, "EXPOSED");

  @Test
  void theTextFitsIntoEightyColumnsAndHasNoColour() throws Exception {
    Memguard.Result result = Memguard.run("doctor");

    assertThat(result.error()).isEmpty();
    assertThat(result.text())
        .startsWith("memguard doctor: " + VERDICTS.get(result.status()) + "\n");
    assertThat(result.text().lines())
        .allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(80))
        .contains(
            "What can be done",
            "Where this is",
            "Cgroups and limits",
            "What protects a child here",
            "The kernel and this process",
            "This command's own JVM, as memguard run has it");
    assertThat(result.text())
        .contains("guard.capabilities().advice()")
        .doesNotContain("engine cannot do");
    assertThat(result.text()).doesNotContain("\u001B");
  }

  @Test
  void whereThereIsSwapEachLevelsIsSaid() {
    assertThat(text(Version.V2, MIB)).contains("limit 64MiB, swap 16MiB");
    assertThat(text(Version.V1, MIB)).contains("limit 64MiB, with swap 16MiB");
    assertThat(text(Version.V2, 0)).contains("limit 64MiB\n");
  }

  @Test
  void onlyWhereTheKernelKeepsAnAccountIsThereHeadroom() {
    OptionalLong limit = OptionalLong.of(2048 * MIB);
    OptionalLong promised = OptionalLong.of(512 * MIB);
    OptionalLong none = OptionalLong.empty();

    assertThat(line("overcommit", text(new Overcommit(0, limit, promised))))
        .isEqualTo("0: the kernel promises what is not absurd");
    assertThat(line("overcommit", text(new Overcommit(1, limit, promised))))
        .isEqualTo("1: the kernel promises everything");
    assertThat(line("overcommit", text(new Overcommit(2, limit, promised))))
        .isEqualTo("2: 1536MiB can be promised yet, of 2GiB");
    assertThat(line("overcommit", text(new Overcommit(2, promised, limit))))
        .as("more was promised before it was switched")
        .isEqualTo("2: 0B can be promised yet, of 512MiB");
    assertThat(line("overcommit", text(new Overcommit(2, none, none))))
        .isEqualTo("2: ? can be promised yet, of ?");
    assertThat(text(Version.V2, 0)).doesNotContain("overcommit");
  }

  @Test
  void pressureIsOfWhomTheKernelTells() {
    String text =
        text(
            Version.V2,
            0,
            Optional.empty(),
            Optional.of(new Pressure("/proc/pressure/memory", 12.5, 0.25)));

    assertThat(line("pressure", text))
        .isEqualTo("some 12.50 %, full 0.25 % of the last 10 s (/proc/pressure/memory)");
    assertThat(line("pressure", text(Version.V2, 0)))
        .isEqualTo("the kernel does not tell (no PSI)");
  }

  /** Returns what is said under a label, on one line. */
  private static String line(String label, String text) {
    Matcher found =
        Pattern.compile("^  " + label + " +(.*(?:\n {4,}.*)*)", Pattern.MULTILINE).matcher(text);
    assertThat(found.find()).as(text).isTrue();
    return found.group(1).replaceAll("\\s+", " ");
  }

  private static String text(Overcommit how) {
    return text(Version.V2, 0, Optional.of(how), Optional.empty());
  }

  private static String text(Version version, long swap) {
    return text(version, swap, Optional.empty(), Optional.empty());
  }

  private static String text(
      Version version, long swap, Optional<Overcommit> how, Optional<Pressure> pressure) {
    OptionalLong none = OptionalLong.empty();
    Level level =
        new Level(
            "/",
            OptionalLong.of(64 * MIB),
            none,
            OptionalLong.of(16 * MIB),
            none,
            Optional.empty());
    Surroundings around =
        new Surroundings(
            List.of(),
            new Cgroups(
                version,
                Optional.empty(),
                false,
                List.of(level),
                Optional.empty(),
                Optional.empty()),
            new LeafRoom(Optional.empty(), "here"),
            Optional.empty(),
            new Memory(none, none, OptionalLong.of(swap), none),
            how,
            pressure,
            0,
            false,
            Clone3.WORKS,
            Optional.empty());
    Capabilities here =
        new Capabilities(Capabilities.Engine.NATIVE, "so", Map.of(), List.of(), List.of(), around);
    return new DoctorText(Ansi.OFF).write(here, here.assessment());
  }

  @Test
  void theJsonHasTheNamesThatArePromised() throws Exception {
    Memguard.Result result = Memguard.run("doctor", "--json");
    JsonNode all = new ObjectMapper().readTree(result.text());

    assertThat(List.of("protected", "partly", "exposed").get(result.status()))
        .isEqualTo(all.get("verdict").asText());
    assertThat(all.properties())
        .extracting(Map.Entry::getKey)
        .contains(
            "headline",
            "open",
            "remedies",
            "engine",
            "places",
            "cgroups",
            "limits",
            "leaves",
            "protections",
            "memory",
            "oomScoreAdj",
            "seccompFilter",
            "clone3",
            "kernelLog",
            "jvmAdvice");
    assertThat(all.at("/engine/kind").asText()).isEqualTo("native");
    assertThat(all.at("/engine").has("limitations")).isFalse();
    assertThat(all.at("/protections/rlimit-data/active").isBoolean()).isTrue();
    assertThat(all.at("/places/0/place").asText()).isNotEmpty();
    assertThat(all.at("/leaves/obstacle").asText()).isEqualTo("forbidden");
    assertThat(all.at("/limits/0/bytes").isIntegralNumber()).isTrue();
  }

  @Test
  void thePortableEngineSaysWhatItDoesNotKnow() throws Exception {
    Memguard.Result result = new Memguard().engine("portable").call("doctor");

    assertThat(result.text())
        .contains("portable: -Dmemguard.engine=portable")
        .contains("not tried: the native library was not loaded")
        .contains("no: the portable engine does not read it")
        .contains(
            """

            What the portable engine cannot do
              - exit(128+n) and death by signal n cannot be told apart
            """);
    assertThat(result.text().lines())
        .allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(80));
    assertThat(result.status()).isBetween(0, 2);
  }

  @Test
  void theJsonSaysWhatThePortableEngineCannotDo() throws Exception {
    Memguard.Result result = new Memguard().engine("portable").call("doctor", "--json");
    JsonNode engine = new ObjectMapper().readTree(result.text()).get("engine");

    assertThat(engine.get("kind").asText()).isEqualTo("portable");
    assertThat(engine.get("limitations"))
        .extracting(JsonNode::asText)
        .contains("exit(128+n) and death by signal n cannot be told apart");
  }

  @ParameterizedTest
  @ValueSource(strings = {"--nope", "more", "--json=x"})
  void wrongUseIsNoVerdict(String argument) throws Exception {
    Memguard.Result result = Memguard.run("doctor", argument);

    assertThat(result.status()).isEqualTo(125);
    assertThat(result.onlyLine()).contains("memguard doctor --help");
  }

  @Test
  void theHelpTellsTheExitStatus() throws Exception {
    assertThat(Memguard.run("doctor", "--help").text())
        .contains("Exit status:", "0 ", "protected", "exposed", "125");
  }

  @Test
  void textIsBrokenWithinWordsThatAreLongerThanALine() {
    Paragraphs text = new Paragraphs();
    text.paragraph("  begin ", "word " + "x".repeat(100) + " end\u001B[31m");

    assertThat(text.toString())
        .isEqualTo(
            "  begin word\n        "
                + "x".repeat(72)
                + "\n        "
                + "x".repeat(28)
                + " end?[31m\n");
  }
}
