package io.memguard.platform.cgroup;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.limits.EffectiveLimit;
import io.memguard.limits.EffectiveLimit.Kind;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The limit that binds is the smallest of all, wherever it is, and it is known whose it is. */
@Tag("engine-independent")
class EffectiveLimitsTest {
  private static final long MIB = 1 << 20;

  @TempDir Path root;

  @ParameterizedTest
  @CsvSource(
      nullValues = "-",
      textBlock =
          """
          # capture                     , MiB, set by
          v2-container-read-only        , 100, /
          systemd-slice-limit           ,  40, /jobs.slice
          v2-namespace-old-mount        ,  64, /..
          v1-docker                     ,  40, /docker
          hybrid                        ,  40, /docker
          v2-odd-names                  ,  32, /odd:name/with space
          v2-odd-mount-point            ,  32, /odd:name/with space
          """)
  void isTheSmallestOfAllVisibleAncestors(String capture, long mebibytes, String setBy) {
    EffectiveLimit max = limits(CapturedTree.unpack(capture, root)).max().orElseThrow();

    assertThat(max.bytes()).isEqualTo(mebibytes * MIB);
    assertThat(max.setBy()).isEqualTo("cgroup " + setBy);
    assertThat(max.kind()).isEqualTo(Kind.MAX);
  }

  @Test
  void jdk8322420AndGvisor9580AFinitePodSliceAboveALeafThatSaysMax() {
    CapturedTree tree = CapturedTree.unpack("v2-pod-slice-finite-leaf-max", root);

    EffectiveLimit max = limits(tree).max().orElseThrow();

    assertThat(tree.ancestry().own().max()).isEmpty();
    assertThat(max.bytes()).isEqualTo(512 * MIB);
    assertThat(max.source()).endsWith("/kubepods-burstable-pod1b2c.slice/memory.max");
    assertThat(max.hiddenAncestors()).isEmpty();
  }

  @Test
  void gvisor193And7287ARuntimeUnderSystemSliceHasTheWholeMachine() {
    CapturedTree tree = CapturedTree.unpack("v2-landed-in-system-slice", root);

    EffectiveLimit max = limits(tree).max().orElseThrow();

    assertThat(max.setBy()).isEqualTo("the machine");
    assertThat(max.source()).isEqualTo("/proc/meminfo (MemTotal)");
    assertThat(max.bytes()).isEqualTo(tree.machine().totalMemory().orElseThrow());
  }

  @Test
  void thePodsSmallerLimitIsHiddenFromItsContainerAndThatIsSaid() {
    EffectiveLimit max =
        limits(CapturedTree.unpack("v2-container-read-only", root)).max().orElseThrow();

    assertThat(max.bytes()).isEqualTo(100 * MIB);
    assertThat(max.hiddenAncestors())
        .hasValueSatisfying(why -> assertThat(why).contains("namespace"));
  }

  @Test
  void thePodsSmallerLimitIsSeenFromTheMachine() {
    EffectiveLimit max =
        limits(CapturedTree.unpack("v2-container-from-the-host", root)).max().orElseThrow();

    assertThat(max.bytes()).isEqualTo(80 * MIB);
    assertThat(max.setBy()).matches("cgroup /kubepods/pod-c\\d+");
  }

  @ParameterizedTest
  @ValueSource(strings = {"v1-container-bind-mounted", "v1-namespace"})
  void v1TellsTheLimitOfHiddenAncestors(String capture) {
    EffectiveLimit max = limits(CapturedTree.unpack(capture, root)).max().orElseThrow();

    assertThat(max.bytes()).isEqualTo(40 * MIB);
    assertThat(max.setBy()).isEqualTo("a cgroup that cannot be seen from here");
    assertThat(max.source()).endsWith("memory.stat (hierarchical_memory_limit)");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "9223372036854771712",
        "9223372036854710272",
        "9223372036854775807",
        "18446744073709551615",
        "-1"
      })
  void v1SpellsNoLimitAsHugeNumbers(String unlimited) {
    CapturedTree tree =
        CapturedTree.unpack("v1-docker", root)
            .with("/sys/fs/cgroup/memory/docker/memory.limit_in_bytes", unlimited + "\n")
            .with(
                "/sys/fs/cgroup/memory/docker/abc/memory.stat",
                "hierarchical_memory_limit " + unlimited);

    assertThat(limits(tree).max().orElseThrow().source()).isEqualTo("/proc/meminfo (MemTotal)");
    assertThat(tree.ancestry().levels()).allSatisfy(level -> assertThat(level.max()).isEmpty());
  }

  /** The form of kernels before 5.11, by their documentation (cgroup-v1/memory.rst, section 6). */
  @Test
  void v1AParentWithoutHierarchyDoesNotBind() {
    CapturedTree tree =
        CapturedTree.unpack("v1-docker", root)
            .with("/sys/fs/cgroup/memory/docker/memory.use_hierarchy", "0\n")
            .with("/sys/fs/cgroup/memory/docker/abc/memory.use_hierarchy", "0\n")
            .with(
                "/sys/fs/cgroup/memory/docker/abc/memory.stat",
                "hierarchical_memory_limit 9223372036854771712\n");

    assertThat(limits(tree).max().orElseThrow().setBy()).isEqualTo("the machine");
  }

  @Test
  void highIsALimitOfItsOwn() {
    EffectiveLimits limits = limits(CapturedTree.unpack("v2-namespace-old-mount", root));

    assertThat(limits.high().orElseThrow().bytes()).isEqualTo(59_998_208);
    assertThat(limits.high().orElseThrow().setBy()).isEqualTo("cgroup /");
    assertThat(limits(CapturedTree.unpack("v2-plain", root.resolve("plain"))).high()).isEmpty();
  }

  @Test
  void swapIsBoundByCgroupsAndThenByTheMachine() {
    CapturedTree container =
        CapturedTree.unpack("v2-container-read-only", root)
            .with("/proc/meminfo", "SwapTotal: 1024 kB\n");
    EffectiveLimit swap = limits(container).swap().orElseThrow();
    assertThat(swap.bytes()).isZero();
    assertThat(swap.kind()).isEqualTo(Kind.SWAP);
    assertThat(swap.setBy()).isEqualTo("cgroup /");

    container.with("/sys/fs/cgroup/memory.swap.max", "max\n");
    assertThat(limits(container).swap().orElseThrow().bytes()).isEqualTo(MIB);
    assertThat(limits(container).swap().orElseThrow().source())
        .isEqualTo("/proc/meminfo (SwapTotal)");
  }

  @Test
  void v1BoundsMemoryAndSwapTogether() {
    CapturedTree tree = CapturedTree.unpack("v1-docker", root);
    assertThat(limits(tree).swap().orElseThrow().source())
        .isEqualTo("/proc/meminfo (MemTotal and SwapTotal)");

    tree.with("/sys/fs/cgroup/memory/docker/memory.memsw.limit_in_bytes", "52428800\n");
    EffectiveLimit swap = limits(tree).swap().orElseThrow();
    assertThat(swap.bytes()).isEqualTo(50 * MIB);
    assertThat(swap.kind()).isEqualTo(Kind.MEMORY_AND_SWAP);
  }

  @Test
  void thoseThatAreKnownAreTold() {
    assertThat(limits(CapturedTree.unpack("v2-namespace-old-mount", root)).all())
        .extracting(EffectiveLimit::kind)
        .containsExactly(Kind.MAX, Kind.HIGH, Kind.SWAP);
    assertThat(limits(CapturedTree.unpack("v1-docker", root.resolve("v1"))).all())
        .extracting(EffectiveLimit::kind)
        .containsExactly(Kind.MAX, Kind.MEMORY_AND_SWAP);
  }

  @Test
  void ofEqualLimitsTheInnerIsReachedFirst() {
    CapturedTree tree =
        CapturedTree.unpack("v2-before-oom", root)
            .with("/sys/fs/cgroup/pod/app/memory.max", "31457280\n");

    assertThat(limits(tree).max().orElseThrow().setBy()).isEqualTo("cgroup /pod/app");
  }

  @Test
  void withoutACgroupTheMachineIsTheLimit() {
    EffectiveLimits limits = limits(CapturedTree.unpack("v2-not-mounted", root));

    assertThat(limits.max().orElseThrow().source()).isEqualTo("/proc/meminfo (MemTotal)");
    assertThat(limits.max().orElseThrow().hiddenAncestors())
        .hasValueSatisfying(why -> assertThat(why).contains("not mounted"));
    assertThat(limits.high()).isEmpty();
  }

  @Test
  void whatIsNotKnownIsAbsent() {
    CapturedTree nothing =
        CapturedTree.unpack("v2-not-mounted", root)
            .without("/proc/meminfo")
            .without("/proc/vmstat");

    assertThat(limits(nothing).max()).isEmpty();
    assertThat(limits(nothing).swap()).isEmpty();
    assertThat(nothing.machine().oomKills()).isEmpty();
  }

  private static EffectiveLimits limits(CapturedTree tree) {
    return EffectiveLimits.of(tree.machine(), tree.search());
  }
}
