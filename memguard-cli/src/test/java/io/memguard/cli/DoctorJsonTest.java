package io.memguard.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.memguard.Capabilities;
import io.memguard.doctor.Assessment;
import io.memguard.doctor.Cgroups;
import io.memguard.doctor.Cgroups.GroupKill;
import io.memguard.doctor.Cgroups.Level;
import io.memguard.doctor.LeafRoom;
import io.memguard.doctor.Place;
import io.memguard.doctor.Remedy;
import io.memguard.doctor.Surroundings;
import io.memguard.doctor.Surroundings.Clone3;
import io.memguard.doctor.Surroundings.Memory;
import io.memguard.doctor.Surroundings.Overcommit;
import io.memguard.doctor.Surroundings.Pressure;
import io.memguard.doctor.Surroundings.Qos;
import io.memguard.doctor.SystemdUnit;
import io.memguard.doctor.Verdict;
import io.memguard.limits.EffectiveLimit;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** {@code memguard doctor --json} of a place that has everything: no real one does. */
class DoctorJsonTest {
  private static final ObjectMapper MAPPER = new ObjectMapper();
  private static final long MIB = 1 << 20;

  private static final Capabilities HERE =
      new Capabilities(
          Capabilities.Engine.PORTABLE,
          "it was asked for",
          Map.of(
              Protection.RLIMIT_DATA, ProtectionState.active("refuses"),
              Protection.CGROUP_LEAF, ProtectionState.inactive("read-only")),
          List.of(
              limit(EffectiveLimit.Kind.MAX, 64 * MIB, Optional.of("a namespace")),
              limit(EffectiveLimit.Kind.HIGH, 48 * MIB, Optional.empty()),
              limit(EffectiveLimit.Kind.SWAP, 0, Optional.empty()),
              limit(EffectiveLimit.Kind.MEMORY_AND_SWAP, 80 * MIB, Optional.empty())),
          List.of("this", "that"),
          new Surroundings(
              List.of(
                  new Place.Sighting(Place.POD, "a variable"),
                  new Place.Sighting(Place.SYSTEMD_UNIT, "a name")),
              new Cgroups(
                  Cgroups.Version.V2,
                  Optional.of("/sys/fs/cgroup"),
                  true,
                  List.of(
                      new Level(
                          "/a/b",
                          OptionalLong.of(64 * MIB),
                          OptionalLong.of(48 * MIB),
                          OptionalLong.of(16 * MIB),
                          OptionalLong.of(MIB),
                          Optional.of(true)),
                      new Level(
                          "/a",
                          OptionalLong.empty(),
                          OptionalLong.empty(),
                          OptionalLong.empty(),
                          OptionalLong.empty(),
                          Optional.empty())),
                  Optional.of("a namespace"),
                  Optional.of(
                      new GroupKill("/a/b", Optional.of("/a/b"), OptionalLong.of(64 * MIB)))),
              new LeafRoom(Optional.of(LeafRoom.Obstacle.NO_MEMORY_CONTROLLER), "not given"),
              Optional.of(
                  new SystemdUnit(
                      "a.service",
                      true,
                      Optional.of("stop"),
                      Optional.of(false),
                      Optional.of("no bus"))),
              new Memory(
                  OptionalLong.of(1024 * MIB),
                  OptionalLong.of(512 * MIB),
                  OptionalLong.of(256 * MIB),
                  OptionalLong.of(128 * MIB)),
              Optional.of(
                  new Overcommit(2, OptionalLong.of(2048 * MIB), OptionalLong.of(1536 * MIB))),
              Optional.of(new Pressure("/proc/pressure/memory", 12.5, 0.25)),
              1000,
              true,
              Clone3.REFUSED,
              Optional.of("it is not there")));

  private static EffectiveLimit limit(
      EffectiveLimit.Kind kind, long bytes, Optional<String> hidden) {
    return new EffectiveLimit(kind, bytes, "cgroup /a/b", "a file", hidden);
  }

  private static JsonNode json() throws Exception {
    return MAPPER.readTree(DoctorJson.of(HERE, HERE.assessment()));
  }

  private static void assertIs(String name, String expected) throws Exception {
    assertThat(json().get(name)).as(name).isEqualTo(MAPPER.readTree(expected.replace('\'', '"')));
  }

  @Test
  void theVerdictIsTheAssessments() throws Exception {
    Assessment assessment = HERE.assessment();
    JsonNode all = json();

    assertThat(all.get("verdict").asText()).isEqualTo("exposed");
    assertThat(all.get("headline").asText()).isEqualTo(assessment.headline());
    assertThat(all.get("open"))
        .extracting(JsonNode::asText)
        .containsExactlyElementsOf(assessment.open());
    assertThat(assessment.remedies()).isNotEmpty();
    assertThat(all.get("remedies"))
        .extracting(
            one ->
                List.of(
                    one.get("who").asText(), one.get("what").asText(), one.get("then").asText()))
        .containsExactlyElementsOf(
            assessment.remedies().stream()
                .map(one -> List.of(one.who().label(), one.what(), one.then().label()))
                .toList());
    assertThat(HERE.advice()).as("of this JVM in 64 MiB").isNotEmpty();
    assertThat(all.get("jvmAdvice"))
        .extracting(JsonNode::asText)
        .containsExactlyElementsOf(HERE.advice());
  }

  @Test
  void howChildrenAreStartedAndWhere() throws Exception {
    assertIs(
        "engine",
        "{'kind': 'portable', 'reason': 'it was asked for', 'limitations': ['this', 'that']}");
    assertIs(
        "places",
        "[{'place': 'pod', 'sign': 'a variable'}, {'place': 'systemd-unit', 'sign': 'a name'}]");
    assertIs(
        "leaves", "{'possible': false, 'obstacle': 'no-memory-controller', 'reason': 'not given'}");
    assertIs(
        "systemdUnit",
        """
        {'name': 'a.service', 'ofUser': true, 'oomPolicy': 'stop', 'delegated': false,
         'unknown': 'no bus', 'endsTogether': true}
        """);
    assertIs(
        "protections",
        """
        {'rlimit-data': {'active': true, 'reason': 'refuses'},
         'cgroup-leaf': {'active': false, 'reason': 'read-only'}}
        """);
  }

  @Test
  void cgroupsAndLimitsAreInBytes() throws Exception {
    assertIs(
        "cgroups",
        """
        {'version': 'v2', 'mount': '/sys/fs/cgroup', 'readOnly': true,
         'levels': [{'path': '/a/b', 'maxBytes': 67108864, 'highBytes': 50331648,
                     'swapBytes': 16777216, 'usedBytes': 1048576, 'oomGroup': true},
                    {'path': '/a'}],
         'hidden': 'a namespace',
         'groupKill': {'cgroup': '/a/b', 'limitOf': '/a/b', 'limitBytes': 67108864}}
        """);
    assertIs(
        "limits",
        """
        [{'kind': 'max', 'bytes': 67108864, 'setBy': 'cgroup /a/b', 'source': 'a file',
          'hiddenAncestors': 'a namespace'},
         {'kind': 'high', 'bytes': 50331648, 'setBy': 'cgroup /a/b', 'source': 'a file'},
         {'kind': 'swap', 'bytes': 0, 'setBy': 'cgroup /a/b', 'source': 'a file'},
         {'kind': 'memory-and-swap', 'bytes': 83886080, 'setBy': 'cgroup /a/b',
          'source': 'a file'}]
        """);
  }

  @Test
  void theKernelAndThisProcess() throws Exception {
    assertIs(
        "memory",
        """
        {'totalBytes': 1073741824, 'availableBytes': 536870912, 'swapTotalBytes': 268435456,
         'swapFreeBytes': 134217728}
        """);
    assertIs(
        "overcommit",
        """
        {'mode': 2, 'limitBytes': 2147483648, 'promisedBytes': 1610612736,
         'headroomBytes': 536870912}
        """);
    assertIs(
        "pressure", "{'source': '/proc/pressure/memory', 'someAvg10': 12.5, 'fullAvg10': 0.25}");
    assertIs("oomScoreAdj", "1000");
    assertIs("qos", "'best-effort'");
    assertIs("seccompFilter", "true");
    assertIs("clone3", "'refused'");
    assertIs("kernelLog", "{'readable': false, 'reason': 'it is not there'}");
  }

  /** What a row of docs/doctor.md has as code is these names, and the values of these types. */
  @Test
  void theTableOfThePageIsAllOfIt() throws Exception {
    Map<String, List<String>> values =
        Map.of(
            "verdict", labels(Verdict.values(), Verdict::label),
            "remedies", labels(Remedy.Who.values(), Remedy.Who::label),
            "engine", labels(Capabilities.Engine.values(), DoctorJsonTest::kebab),
            "places", labels(Place.values(), Place::label),
            "cgroups", labels(Cgroups.Version.values(), Cgroups.Version::label),
            "limits", labels(EffectiveLimit.Kind.values(), DoctorJsonTest::kebab),
            "leaves", labels(LeafRoom.Obstacle.values(), DoctorJsonTest::kebab),
            "qos", labels(Qos.values(), DoctorJsonTest::kebab),
            "clone3", labels(Clone3.values(), DoctorJsonTest::kebab),
            "protections", List.of("rlimit-data"));
    JsonNode all = json();
    List<String> named = new ArrayList<>();
    for (List<String> row : PageTable.of("doctor.md", "## JSON")) {
      List<String> names = PageTable.code(row.get(0));
      named.addAll(names);
      Set<String> expected = new LinkedHashSet<>();
      for (String name : names) {
        JsonNode one = all.path(name);
        collect(name.equals("protections") ? one.iterator().next() : one, expected); // by name
        expected.addAll(values.getOrDefault(name, List.of()));
      }
      List<String> said = new ArrayList<>(PageTable.code(row.get(1)));
      said.removeAll(names); // as in "`clone3` is …"
      assertThat(said).as("row of %s", names).containsExactlyInAnyOrderElementsOf(expected);
    }
    assertThat(named)
        .containsExactlyInAnyOrderElementsOf(
            all.properties().stream().map(Map.Entry::getKey).toList());
  }

  private static void collect(JsonNode node, Set<String> names) {
    node.properties().forEach(field -> names.add(field.getKey()));
    node.elements().forEachRemaining(child -> collect(child, names));
  }

  private static <T> List<String> labels(T[] values, Function<T, String> label) {
    return Stream.of(values).map(label).toList();
  }

  private static String kebab(Enum<?> one) {
    return one.name().toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
