package io.memguard.platform.survey;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.doctor.Place;
import io.memguard.doctor.Place.Sighting;
import io.memguard.platform.cgroup.CgroupFinder;
import io.memguard.platform.cgroup.Machine;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Where a process is, by the files that say so. */
@Tag("engine-independent")
class WhereaboutsTest {
  @TempDir Path root;

  @BeforeEach
  void makeMachine() throws IOException {
    file("/proc/self/cgroup", "0::/user.slice/session-1.scope\n");
    file("/proc/version", "Linux version 6.1.0 (gcc) #1 SMP PREEMPT_DYNAMIC\n");
    file("/proc/sys/kernel/osrelease", "6.1.0-amd64\n");
  }

  @Test
  void aHostIsWhereNothingElseIsSeen() {
    assertThat(places()).containsExactly(Place.HOST);
    assertThat(look(Map.of(), Optional.of("app.service")))
        .extracting(Sighting::place)
        .containsExactly(Place.HOST, Place.SYSTEMD_UNIT);
  }

  @ParameterizedTest
  @CsvSource({
    "/run/.containerenv, ''",
    "/.dockerenv, ''",
    "/run/systemd/container, podman",
    "/run/host/container-manager, systemd-nspawn",
    "/proc/self/cgroup, 0::/system.slice/docker-0123.scope",
    "/proc/self/cgroup, 4:memory:/docker/0123",
    "/proc/self/cgroup, 0::/machine.slice/libpod-0123.scope",
  })
  void aContainerHasOneOfManySigns(String path, String text) throws IOException {
    file(path, text + "\n");

    assertThat(places()).containsExactly(Place.CONTAINER);
    assertThat(look(Map.of(), Optional.empty()).get(0).sign()).contains(path);
  }

  @ParameterizedTest
  @CsvSource({"0::/system.slice/docker.service", "0::/system.slice/crio.service", "0::/dockers/x"})
  void whoStartsContainersIsInNone(String line) throws IOException {
    file("/proc/self/cgroup", line + "\n");

    assertThat(places()).containsExactly(Place.HOST);
  }

  /** As where a container's files became a machine's: {@code PID_NS_INIT_INO} is its own. */
  @Test
  void aMarkerThatCameWithAnImageIsNoSign() throws IOException {
    file("/.dockerenv", "");
    Path link = root.resolve("proc/self/ns/pid");
    Files.createDirectories(link.getParent());
    Files.createSymbolicLink(link, Path.of("pid:[4026531836]"));
    assertThat(places()).containsExactly(Place.HOST);

    Files.delete(link);
    Files.createSymbolicLink(link, Path.of("pid:[4026532207]"));
    assertThat(places()).containsExactly(Place.CONTAINER);
  }

  @Test
  void aVariableSaysSoToo() {
    assertThat(look(Map.of("container", "oci"), Optional.empty()))
        .containsExactly(new Sighting(Place.CONTAINER, "the variable container is oci"));
    assertThat(look(Map.of("container", ""), Optional.empty()))
        .extracting(Sighting::place)
        .containsExactly(Place.HOST);
  }

  @Test
  void aPodIsAContainer() throws IOException {
    file("/proc/self/cgroup", "0::/kubepods.slice/kubepods-pod1.slice/cri-containerd-2.scope\n");
    assertThat(places()).containsExactly(Place.POD, Place.CONTAINER);

    file("/proc/self/cgroup", "0::/\n");
    Files.createDirectories(root.resolve("var/run/secrets/kubernetes.io/serviceaccount"));
    assertThat(places()).contains(Place.POD);
    assertThat(look(Map.of("KUBERNETES_SERVICE_HOST", "10.0.0.1"), Optional.empty()))
        .contains(new Sighting(Place.POD, "KUBERNETES_SERVICE_HOST is set"));
  }

  @Test
  void gvisorHasAMarkerOrItsOwnDate() throws IOException {
    file("/proc/version", "Linux version 4.4.0 #1 SMP Sun Jan 10 15:06:54 PST 2016\n");
    assertThat(places()).containsExactly(Place.GVISOR);

    file("/proc/version", "Linux version 6.1.0\n");
    file("/proc/gvisor/kernel_is_gvisor", "gvisor\n");
    assertThat(places()).containsExactly(Place.GVISOR);
  }

  @ParameterizedTest
  @CsvSource({"5.15.90.1-microsoft-standard-WSL2", "4.4.0-19041-Microsoft"})
  void theSubsystemForLinuxIsAHostAllTheSame(String release) throws IOException {
    file("/proc/sys/kernel/osrelease", release + "\n");

    assertThat(places()).containsExactly(Place.WSL, Place.HOST);
  }

  private List<Place> places() {
    return look(Map.of(), Optional.empty()).stream().map(Sighting::place).toList();
  }

  private List<Sighting> look(Map<String, String> environment, Optional<String> unit) {
    Machine machine = new Machine(root);
    return Whereabouts.of(machine, environment, CgroupFinder.findOwn(machine), unit);
  }

  private void file(String path, String text) throws IOException {
    Path file = root.resolve(path.substring(1));
    Files.createDirectories(file.getParent());
    Files.writeString(file, text);
  }
}
