package io.memguard;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.doctor.LeafRoom;
import io.memguard.doctor.Surroundings;
import io.memguard.doctor.Surroundings.Clone3;
import io.memguard.limits.EffectiveLimit;
import io.memguard.support.Engines;
import io.memguard.support.WithGuard;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** What is said of the very machine that this runs on, which may be any. */
@ExtendWith(WithGuard.class)
final class SurroundingsTest {
  @Test
  void whatProcSaysOfThisProcess(MemoryGuard guard) throws Exception {
    Surroundings here = guard.capabilities().surroundings();

    assertThat(here.places()).isNotEmpty().allSatisfy(one -> assertThat(one.sign()).isNotEmpty());
    assertThat(here.oomScoreAdj())
        .isEqualTo(Integer.parseInt(Files.readString(Path.of("/proc/self/oom_score_adj")).strip()));
    assertThat(here.memory().total()).isPresent();
    assertThat(here.overcommit().orElseThrow().mode()).isBetween(0, 2);
    assertThat(here.leaves().obstacle())
        .as("no test changes the cgroups of this machine")
        .hasValue(LeafRoom.Obstacle.FORBIDDEN);
  }

  @Test
  void whatTheEngineCanFindOut(MemoryGuard guard) {
    Surroundings here = guard.capabilities().surroundings();

    assertThat(guard.engine()).isEqualTo(guard.capabilities().engine());
    if (Engines.isNative()) {
      assertThat(here.clone3()).isNotEqualTo(Clone3.UNKNOWN);
    } else {
      assertThat(here.kernelLogObstacle()).hasValue("the portable engine does not read it");
    }
  }

  @Test
  void theLimitThatBindsIsOneOfThoseThatAreSeen(MemoryGuard guard) {
    Capabilities here = guard.capabilities();
    EffectiveLimit max = here.limits().get(0);

    assertThat(max.kind()).isEqualTo(EffectiveLimit.Kind.MAX);
    if (max.setBy().startsWith("cgroup ")) {
      assertThat(here.surroundings().cgroups().levels())
          .filteredOn(level -> max.setBy().equals("cgroup " + level.path()))
          .singleElement()
          .satisfies(level -> assertThat(level.maxBytes()).isEqualTo(OptionalLong.of(max.bytes())));
    }
  }

  @Test
  void itIsJudged(MemoryGuard guard) {
    assertThat(guard.capabilities().assessment().headline()).endsWith(".");
  }
}
