package io.memguard.doctor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.tuple;

import io.memguard.doctor.Cgroups.GroupKill;
import io.memguard.doctor.Cgroups.Level;
import io.memguard.doctor.Cgroups.Version;
import io.memguard.doctor.LeafRoom.Obstacle;
import io.memguard.doctor.Place.Sighting;
import io.memguard.doctor.Remedy.Who;
import io.memguard.doctor.Surroundings.Clone3;
import io.memguard.doctor.Surroundings.Memory;
import io.memguard.doctor.Surroundings.Overcommit;
import io.memguard.doctor.Surroundings.Qos;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What is said of a place, and what would be said of it after each remedy. */
@Tag("engine-independent")
class AssessmentTest {
  private static final long MIB = 1 << 20;
  private static final OptionalLong LIMIT = OptionalLong.of(256 * MIB);
  private static final OptionalLong NONE = OptionalLong.empty();

  @Test
  void whereLeavesCanBeMadeTheChildIsKilledAlone() {
    Assessment here = new Around(Place.HOST).leaves(null).assess();

    assertThat(here.verdict()).isEqualTo(Verdict.PROTECTED);
    assertThat(here.headline()).contains("killed alone");
    assertThat(here.open()).anyMatch(one -> one.contains("/dev/shm"));
    assertThat(here.remedies()).isEmpty();
  }

  @Test
  void aStockPodIsPartlyProtected() {
    Assessment here = stockPod().assess();

    assertThat(here.verdict()).isEqualTo(Verdict.PARTLY);
    assertThat(here.headline()).contains("cgroup / has memory.oom.group set", "a limit of 256MiB");
    assertThat(here.open()).anyMatch(one -> one.contains("RLIMIT_DATA does not count"));
    assertThat(here.remedies())
        .extracting(Remedy::who, Remedy::then)
        .containsOnly(tuple(Who.NODE_ADMIN, Verdict.PROTECTED));
    assertThat(here.remedies())
        .extracting(Remedy::what)
        .anyMatch(what -> what.contains("singleProcessOOMKill: true"))
        .anyMatch(what -> what.contains("cgroup_writable = true"))
        .anyMatch(what -> what.contains("io.kubernetes.cri-o.cgroup2-mount-hierarchy-rw"));
  }

  @Test
  void eachRuntimeHasItsWayToWritableCgroups() {
    Around around =
        new Around(Place.CONTAINER)
            .leaves(Obstacle.READ_ONLY)
            .group(new GroupKill("/", Optional.of("/"), LIMIT));
    assertThat(around.assess().remedies().get(0).what())
        .contains("writable-cgroups=true", "unmask=/sys/fs/cgroup", "MemoryGuard.prepare");
    assertThat(around.assess().remedies().get(0).who()).isEqualTo(Who.CONTAINER);
  }

  @Test
  void onCgroupV1NobodyIsToMakeRoom() {
    Around around = new Around(Place.CONTAINER).leaves(Obstacle.READ_ONLY);
    around.version = Version.V1;
    around.score = 1000;

    assertThat(around.assess().verdict()).isEqualTo(Verdict.PARTLY);
    assertThat(around.assess().remedies())
        .isNotEmpty()
        .noneMatch(remedy -> remedy.what().contains("prepare"));
  }

  @Test
  void withoutGroupKillThePodIsProtected() {
    Assessment here = stockPod().group(null).without(Protection.HEADROOM_GUARD).assess();

    assertThat(here.verdict()).isEqualTo(Verdict.PROTECTED);
    assertThat(here.open())
        .anyMatch(one -> one.contains("another child may be killed"))
        .anyMatch(one -> one.contains("/dev/shm"));
  }

  @Test
  void aWritablePodIsToMakeRoomFirst() {
    Assessment here = stockPod().leaves(Obstacle.HOLDS_PROCESSES).assess();

    assertThat(here.verdict()).isEqualTo(Verdict.PARTLY);
    assertThat(here.remedies().get(0).who()).isEqualTo(Who.APPLICATION);
    assertThat(here.remedies().get(0).then()).isEqualTo(Verdict.PROTECTED);
    assertThat(here.remedies().get(0).what()).contains("MemoryGuard.prepare", "--prepare-cgroup");
  }

  @Test
  void aGroupWithoutALimitInSightIsExposed() {
    Assessment here = limitAbove().assess();

    assertThat(here.verdict()).isEqualTo(Verdict.EXPOSED);
    assertThat(here.headline()).contains("no cgroup from there up shows a limit");
    assertThat(here.open())
        .anyMatch(
            one ->
                one.contains("Limits further up cannot be seen")
                    && one.contains("memory.oom.group up there"));
    assertThat(of(here, Who.POD_SPEC).then()).isEqualTo(Verdict.PARTLY);
    assertThat(of(here, Who.POD_SPEC).what()).contains("resources.limits.memory");
    assertThat(here.remedies())
        .as("the best first")
        .extracting(Remedy::then)
        .isSorted()
        .startsWith(Verdict.PROTECTED);
  }

  @Test
  void aLimitBelowTheGroupIsReachedFirst() {
    Around around = limitAbove().group(new GroupKill("/pod", Optional.empty(), NONE));
    around.levels = List.of(level("/pod/app", LIMIT, false), level("/pod", NONE, true));

    assertThat(around.assess().verdict()).isEqualTo(Verdict.PROTECTED);
  }

  @Test
  void aServiceThatSystemdStopsIsExposed() {
    Assessment here = service("stop", false).assess();

    assertThat(here.verdict()).isEqualTo(Verdict.EXPOSED);
    assertThat(here.headline()).contains("systemd ends app.service", "OOMPolicy=stop");
    assertThat(here.remedies())
        .filteredOn(remedy -> remedy.who() == Who.UNIT)
        .extracting(Remedy::what)
        .anyMatch(what -> what.contains("Set OOMPolicy=continue in"))
        .as("Delegate=yes changes the default, and no OOMPolicy=stop that was set")
        .anyMatch(what -> what.contains("Delegate=yes, OOMPolicy=continue"));
    assertThat(of(here, Who.APPLICATION).what()).contains("HeadroomGuard.ON");
    assertThat(of(here, Who.APPLICATION).then()).isEqualTo(Verdict.PARTLY);
  }

  @Test
  void whoeverIsItsDirectorysOwnerMayAskForAScope() {
    assertThat(service("stop", false).assess().remedies().get(0).what())
        .contains("withSystemdScope", "--systemd-scope", "limits of app.service");
    assertThat(service("stop", false).leaves(Obstacle.NOT_WRITABLE).assess().remedies())
        .noneMatch(remedy -> remedy.what().contains("--systemd-scope"));
  }

  @Test
  void aUnitsReadOnlyCgroupsAreTheUnitsToChange() {
    for (boolean delegated : new boolean[] {true, false}) {
      Assessment here = service("stop", delegated).leaves(Obstacle.READ_ONLY).assess();

      assertThat(here.remedies().get(0).who()).isEqualTo(Who.UNIT);
      assertThat(here.remedies().get(0).what()).contains("Set ProtectControlGroups=no");
      assertThat(here.remedies())
          .noneMatch(remedy -> remedy.who() == Who.CONTAINER)
          .noneMatch(remedy -> remedy.what().contains("--systemd-scope"));
    }
  }

  @Test
  void aContainersGroupIsNotItsUnitsToChange() {
    Around around =
        new Around(Place.CONTAINER, Place.SYSTEMD_UNIT)
            .leaves(Obstacle.HOLDS_PROCESSES)
            .group(new GroupKill("/", Optional.of("/"), LIMIT))
            .unit(service("stop", false).unit.orElseThrow());
    around.levels =
        List.of(level("/system.slice/app.service", NONE, false), level("/", LIMIT, true));
    assertThat(around.assess().remedies())
        .noneMatch(remedy -> remedy.what().contains("Set OOMPolicy=continue in"));

    around.unit(service("continue", false).unit.orElseThrow());
    assertThat(of(around.assess(), Who.CONTAINER).what()).contains("memory.oom.group of cgroup /");

    around
        .unit(service("kill", false).unit.orElseThrow())
        .group(new GroupKill("/system.slice/app.service", Optional.of("/"), LIMIT));
    assertThat(around.assess().remedies())
        .filteredOn(remedy -> remedy.what().contains("Set OOMPolicy=continue in"))
        .extracting(Remedy::then)
        .containsExactly(Verdict.PROTECTED);
  }

  @Test
  void aGuardThatCannotHelpIsNotToBeSwitchedOn() {
    Around around =
        service("stop", false).without(Protection.HEADROOM_GUARD, "the reserve is too large");

    assertThat(around.assess().remedies())
        .noneMatch(remedy -> remedy.what().contains("HeadroomGuard.ON"));
  }

  @Test
  void aServiceThatGoesOnIsProtected() {
    assertThat(service("continue", false).assess().verdict()).isEqualTo(Verdict.PROTECTED);
  }

  @Test
  void systemdSeesKillsInACgroupOfTheChildsOwnToo() {
    Assessment here = service("stop", true).leaves(null).assess();

    assertThat(here.verdict()).isEqualTo(Verdict.EXPOSED);
    assertThat(here.remedies().get(0).what()).contains("OOMPolicy=continue");
    assertThat(here.remedies().get(0).then()).isEqualTo(Verdict.PROTECTED);
  }

  @Test
  void systemdSeesNoKillOnCgroupV1() {
    Around around = service("stop", false);
    around.version = Version.V1;

    assertThat(around.assess().verdict()).isEqualTo(Verdict.PROTECTED);
  }

  @Test
  void aServiceThatIsNotKnownHasTheDefault() {
    SystemdUnit silent =
        new SystemdUnit(
            "app.service", false, Optional.empty(), Optional.empty(), Optional.of("no bus"));
    Around around =
        new Around(Place.HOST)
            .leaves(Obstacle.HOLDS_PROCESSES)
            .without(Protection.HEADROOM_GUARD)
            .unit(silent);
    assertThat(around.assess().verdict()).isEqualTo(Verdict.EXPOSED);
    assertThat(around.assess().headline()).contains("not known, and stop by default");

    SystemdUnit scope =
        new SystemdUnit(
            "session-1.scope", false, Optional.empty(), Optional.of(false), Optional.empty());
    assertThat(around.unit(scope).assess().verdict())
        .as("scopes have no policy before systemd 253")
        .isEqualTo(Verdict.PROTECTED);

    SystemdUnit silentScope =
        new SystemdUnit(
            "run-1.scope", false, Optional.empty(), Optional.empty(), Optional.of("no bus"));
    Assessment later = around.unit(silentScope).assess();
    assertThat(later.verdict()).as("and then one").isEqualTo(Verdict.EXPOSED);
    assertThat(later.remedies())
        .anyMatch(remedy -> remedy.what().contains("systemd-run --scope -p Delegate=yes"))
        .noneMatch(remedy -> remedy.what().contains("DelegateSubgroup"));
  }

  @Test
  void inGvisorEverythingEnds() {
    Assessment here =
        new Around(Place.GVISOR, Place.CONTAINER)
            .leaves(Obstacle.UNSEEN)
            .without(Protection.RLIMIT_DATA)
            .without(Protection.HEADROOM_GUARD)
            .assess();

    assertThat(here.verdict()).isEqualTo(Verdict.EXPOSED);
    assertThat(here.headline()).contains("gVisor's sandbox");
    assertThat(of(here, Who.APPLICATION).then()).isEqualTo(Verdict.PARTLY);
    assertThat(here.remedies()).extracting(Remedy::then).doesNotContain(Verdict.PROTECTED);
    assertThat(new Around(Place.GVISOR, Place.CONTAINER).leaves(null).assess().verdict())
        .isEqualTo(Verdict.PARTLY);
  }

  @Test
  void whereAContainersCgroupsCannotBeSeenItIsExpectedToBeKilledAsAWhole() {
    Around unseen =
        new Around(Place.POD, Place.CONTAINER)
            .leaves(Obstacle.UNSEEN)
            .without(Protection.HEADROOM_GUARD);
    unseen.version = Version.NONE;
    unseen.levels = List.of();

    Assessment here = unseen.assess();

    assertThat(here.verdict()).isEqualTo(Verdict.EXPOSED);
    assertThat(here.headline()).contains("no cgroup can be seen");
    assertThat(of(here, Who.CONTAINER).what()).contains("/sys/fs/cgroup");
  }

  @Test
  void whereNothingHoldsAChildTheGuardAloneIsNotEnough() {
    Assessment here =
        stockPod().without(Protection.RLIMIT_DATA).without(Protection.TREE_WATCH).assess();

    assertThat(here.verdict()).isEqualTo(Verdict.EXPOSED);
    assertThat(stockPod().without(Protection.RLIMIT_DATA).assess().open())
        .anyMatch(one -> one.contains("RLIMIT_DATA stops nothing here"));
  }

  @Test
  void whoeverIsKilledBeforeItsChildrenIsPartlyProtected() {
    Around bestEffort = stockPod().group(null).without(Protection.OOM_SCORE_ADJ);
    bestEffort.score = 1000;
    assertThat(bestEffort.assess().verdict()).isEqualTo(Verdict.PARTLY);
    assertThat(of(bestEffort.assess(), Who.POD_SPEC).what())
        .contains("Guaranteed", "requests.memory");

    Around burstable = stockPod().group(null);
    burstable.score = 969;
    assertThat(burstable.assess().verdict()).isEqualTo(Verdict.PARTLY);
    burstable.score = 500;
    assertThat(burstable.assess().verdict()).isEqualTo(Verdict.PROTECTED);
    assertThat(burstable.assess().open()).anyMatch(one -> one.contains("more than 50 %"));
  }

  @Test
  void theJvmsOwnSettingsAreARemedyThatChangesNoVerdict() {
    Around around = stockPod().leaves(null);
    Assessment here =
        Assessment.of(around.protections, around.surroundings(), List.of("Set -Xmx64m."));

    assertThat(here.remedies())
        .containsExactly(new Remedy(Who.APPLICATION, "Set -Xmx64m.", Verdict.PROTECTED));
  }

  @Test
  void memoryThatIsPromisedStrictlyIsLeftOpen() {
    Around around = new Around(Place.HOST).leaves(null);
    around.overcommit = new Overcommit(2, OptionalLong.of(100), OptionalLong.of(40));

    assertThat(around.assess().open()).anyMatch(one -> one.contains("vm.overcommit_memory is 2"));
    assertThat(around.overcommit.headroomBytes()).hasValue(60);
    assertThat(new Overcommit(1, OptionalLong.of(100), OptionalLong.of(40)).headroomBytes())
        .isEmpty();
  }

  @Test
  void theClassIsSuggestedOnlyInAPod() {
    Around pod = stockPod();
    pod.score = -997;
    assertThat(pod.surroundings().qos()).hasValue(Qos.GUARANTEED);
    pod.score = 1000;
    assertThat(pod.surroundings().qos()).hasValue(Qos.BEST_EFFORT);
    pod.score = 2;
    assertThat(pod.surroundings().qos()).hasValue(Qos.BURSTABLE);
    pod.score = 0;
    assertThat(pod.surroundings().qos()).isEmpty();
    Around host = new Around(Place.HOST).leaves(null);
    host.score = 1000;
    assertThat(host.surroundings().qos()).isEmpty();
  }

  @Test
  void whatIsSaidIsWholeSentences() {
    Stream.of(
            stockPod(),
            limitAbove(),
            stockPod().group(null),
            service("stop", false),
            service("kill", false),
            new Around(Place.HOST).leaves(Obstacle.NOT_WRITABLE))
        .map(Around::assess)
        .forEach(
            here -> {
              assertThat(here.headline()).matches("[A-Z].*\\.");
              assertThat(here.open()).allMatch(one -> one.matches("[A-Z].*\\."));
              assertThat(here.remedies()).allMatch(one -> one.what().matches("[A-Z].*\\."));
            });
  }

  private static Remedy of(Assessment here, Who who) {
    return here.remedies().stream()
        .filter(remedy -> remedy.who() == who)
        .reduce((one, other) -> other)
        .orElseThrow();
  }

  private static Around stockPod() {
    return new Around(Place.POD, Place.CONTAINER)
        .leaves(Obstacle.READ_ONLY)
        .group(new GroupKill("/", Optional.of("/"), LIMIT));
  }

  private static Around limitAbove() {
    Around around =
        stockPod()
            .group(new GroupKill("/", Optional.empty(), NONE))
            .without(Protection.HEADROOM_GUARD);
    around.levels = List.of(level("/", NONE, true));
    return around;
  }

  private static Around service(String policy, boolean delegated) {
    return new Around(Place.HOST, Place.SYSTEMD_UNIT)
        .leaves(Obstacle.HOLDS_PROCESSES)
        .without(Protection.HEADROOM_GUARD)
        .unit(
            new SystemdUnit(
                "app.service",
                false,
                Optional.of(policy),
                Optional.of(delegated),
                Optional.empty()));
  }

  private static Level level(String path, OptionalLong max, boolean group) {
    return new Level(path, max, NONE, NONE, OptionalLong.of(MIB), Optional.of(group));
  }

  /** A place, where all protections are active but a cgroup of the child's own. */
  private static final class Around {
    private final Map<Protection, ProtectionState> protections = new EnumMap<>(Protection.class);
    private final List<Sighting> places;
    private Version version = Version.V2;
    private List<Level> levels = List.of(level("/", LIMIT, true));
    private Optional<GroupKill> group = Optional.empty();
    private LeafRoom leaves = new LeafRoom(Optional.empty(), "below");
    private Optional<SystemdUnit> unit = Optional.empty();
    private Overcommit overcommit = new Overcommit(1, NONE, NONE);
    private int score;

    Around(Place... places) {
      this.places = Arrays.stream(places).map(place -> new Sighting(place, "it says so")).toList();
      for (Protection protection : Protection.values()) {
        protections.put(protection, ProtectionState.active("as ever"));
      }
    }

    Around leaves(Obstacle obstacle) {
      leaves = new LeafRoom(Optional.ofNullable(obstacle), "as it is");
      return this;
    }

    Around group(GroupKill kill) {
      group = Optional.ofNullable(kill);
      return this;
    }

    Around unit(SystemdUnit one) {
      unit = Optional.of(one);
      return this;
    }

    Around without(Protection protection) {
      return without(protection, "not needed; HeadroomGuard.ON switches it on");
    }

    Around without(Protection protection, String why) {
      protections.put(protection, ProtectionState.inactive(why));
      return this;
    }

    Surroundings surroundings() {
      Optional<String> hidden =
          places.get(0).place() == Place.POD ? Optional.of("a namespace") : Optional.empty();
      return new Surroundings(
          places,
          new Cgroups(version, Optional.of("/sys/fs/cgroup"), false, levels, hidden, group),
          leaves,
          unit,
          new Memory(NONE, NONE, NONE, NONE),
          Optional.of(overcommit),
          Optional.empty(),
          score,
          false,
          Clone3.WORKS,
          Optional.empty());
    }

    Assessment assess() {
      return Assessment.of(protections, surroundings(), List.of());
    }
  }
}
