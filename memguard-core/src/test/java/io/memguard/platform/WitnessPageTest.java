package io.memguard.platform;

import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.outcome.Refusal;
import io.memguard.outcome.WitnessRecord;
import io.memguard.outcome.WitnessedProcess;
import io.memguard.support.Children;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** A slot of the shared memory belongs to one launch at a time. */
@Tag("engine-independent")
final class WitnessPageTest {
  private static final String REFUSED =
      "import resource as r\nr.setrlimit(r.RLIMIT_DATA, (1 << 27, 1 << 27))\nbytearray(1 << 30)";

  private static final String NO_THREAD =
      "import resource as r, threading as t\nr.setrlimit(r.RLIMIT_DATA, (1 << 27, 1 << 27))\n"
          + "t.stack_size(1 << 28)\nt.Thread(target=print).start()";

  @Test
  void aRefusedChildWritesIntoItsSlot() throws Exception {
    try (WitnessPage page = WitnessPage.create()) {
      WitnessPage.Slot slot = page.acquire().orElseThrow();
      refuseTo(slot.address());
      WitnessRecord record = slot.read();
      assertThat(record.refusals()).isEqualTo(1);
      assertThat(record.attached()).isTrue();
      assertThat(record.largestRefusedBytes().orElseThrow()).isBetween(1L << 30, (1L << 30) + 64);
    }
  }

  @Test
  void aLateDescendantOfAnEarlierLaunchDoesNotSpoilTheNext() throws Exception {
    try (WitnessPage page = WitnessPage.create()) {
      WitnessPage.Slot first = page.acquire().orElseThrow();
      String late = first.address();
      first.release();
      WitnessPage.Slot again = nextOfTheSamePlace(page, late);
      refuseTo(late);
      assertThat(again.read().sawRefusal()).isFalse();
      assertThat(again.read().attached()).isFalse();
      refuseTo(again.address());
      assertThat(again.read().refusals()).isEqualTo(1);
    }
  }

  @Test
  void aLateDescendantOfAnotherGuardsLaunchDoesNotSpoilOnes() throws Exception {
    try (WitnessPage closed = WitnessPage.create();
        WitnessPage page = WitnessPage.create()) {
      WitnessPage.Slot slot = page.acquire().orElseThrow();
      String late = closed.acquire().orElseThrow().address();
      // As if the closed guard's descriptor had been given to this one.
      refuseTo(slot.address().split(":", 2)[0] + ":" + late.split(":", 2)[1]);
      assertThat(late.split(":", 3)[1]).isEqualTo(slot.address().split(":", 3)[1]);
      assertThat(slot.read().attached()).isFalse();
      assertThat(slot.read().sawRefusal()).isFalse();
    }
  }

  @Test
  void anInterruptedThreadGetsMoreSlotsAsWell() throws Exception {
    try (WitnessPage page = WitnessPage.create()) {
      Thread.currentThread().interrupt();
      List<WitnessPage.Slot> slots = new ArrayList<>();
      for (int i = 0; i < 100; i++) {
        slots.add(page.acquire().orElseThrow());
      }
      assertThat(Thread.interrupted()).as("it is interrupted still").isTrue();
      refuseTo(slots.get(99).address());
      assertThat(slots.get(99).read().refusals()).isEqualTo(1);
    }
  }

  @Test
  void aSlotIsGivenBackOnce() throws Exception {
    try (WitnessPage page = WitnessPage.create()) {
      WitnessPage.Slot first = page.acquire().orElseThrow();
      first.release();
      WitnessPage.Slot again = nextOfTheSamePlace(page, first.address());
      first.release();
      refuseTo(again.address());
      assertThat(again.read().refusals()).isEqualTo(1);
    }
  }

  @Test
  void aSlotBeginsEmptyWhateverItsLastLaunchLeft() throws Exception {
    try (WitnessPage page = WitnessPage.create()) {
      WitnessPage.Slot first = page.acquire().orElseThrow();
      refuseTo(first.address());
      first.release();
      WitnessRecord record = nextOfTheSamePlace(page, first.address()).read();
      assertThat(record.refusals()).isZero();
      assertThat(record.programs()).isZero();
      assertThat(record.largestRefusedBytes()).isEmpty();
      assertThat(record.lastPid()).isEmpty();
      assertThat(record.processes()).isEmpty();
    }
  }

  @Test
  void whenAllAreTakenThereIsNoneUntilOneComesBack() throws Exception {
    try (WitnessPage page = WitnessPage.create()) {
      List<WitnessPage.Slot> taken = new ArrayList<>();
      Optional<WitnessPage.Slot> next = page.acquire();
      while (next.isPresent()) {
        taken.add(next.get());
        next = page.acquire();
      }
      assertThat(taken).hasSizeGreaterThan(1000);
      assertThat(taken.stream().map(WitnessPage.Slot::address).distinct()).hasSameSizeAs(taken);
      taken.get(7).release();
      assertThat(page.acquire()).isPresent();
      assertThat(page.acquire()).isEmpty();
    }
  }

  @Test
  void theFileGrowsWithTheLaunchesAtATime() throws Exception {
    try (WitnessPage page = WitnessPage.create()) {
      WitnessPage.Slot first = page.acquire().orElseThrow();
      assertThat(bytesBehind(first)).isEqualTo(64 << 10);
      WitnessPage.Slot last = first;
      for (int i = 0; i < 32; i++) {
        last = page.acquire().orElseThrow();
      }
      assertThat(bytesBehind(last)).isEqualTo(128 << 10);
      refuseTo(last.address());
      assertThat(last.read().refusals()).isEqualTo(1);
      assertThat(first.read().attached()).isFalse();
    }
  }

  @Test
  void whatWasRefusedIsToldByProcess() throws Exception {
    try (WitnessPage page = WitnessPage.create()) {
      WitnessPage.Slot slot = page.acquire().orElseThrow();
      refuseTo(slot.address());
      WitnessedProcess process = slot.read().processes().get(0);
      assertThat(process.name()).startsWith("python");
      assertThat(process.refusals()).isEqualTo(1);
      assertThat(process.threadRefusals()).isZero();
      assertThat(process.spawnRefusals()).isZero();
      assertThat(process.largestBytes()).isEqualTo(slot.read().largestRefusedBytes());
      assertThat(process.peakRssBytes().orElseThrow()).isBetween(1L << 20, 1L << 28);
      Refusal last = process.last().orElseThrow();
      assertThat(last.kind()).isIn(Refusal.Kind.MALLOC, Refusal.Kind.MMAP);
      assertThat(last.errno()).isEqualTo(12);
      assertThat(last.tid()).isEqualTo(process.pid());
      assertThat(last.at()).isBetween(Duration.ofNanos(1), Duration.ofMinutes(1));
      assertThat(last.dataBytes().orElseThrow()).isBetween(1L << 20, 1L << 27);
      assertThat(last.addressBytes().orElseThrow()).isGreaterThan(last.dataBytes().getAsLong());
      assertThat(last.rssBytes().orElseThrow()).isPositive();
      assertThat(last.dataLimit()).hasValue(1 << 27);
      assertThat(last.addressLimit()).isEmpty();
      assertThat(last.exceedsLimit()).isTrue();
    }
  }

  @Test
  void aSlotThatWasGivenBackHasNothingToTellOfItsNext() throws Exception {
    try (WitnessPage page = WitnessPage.create()) {
      WitnessPage.Slot first = page.acquire().orElseThrow();
      refuseTo(first.address());
      assertThat(first.isQuiet()).isFalse();
      assertThat(first.readNow().orElseThrow().refusals()).isEqualTo(1);
      first.release();
      assertThat(first.readNow()).isEmpty();
      refuseTo(nextOfTheSamePlace(page, first.address()).address());
      assertThat(first.readNow()).isEmpty();
      assertThat(first.isQuiet()).isFalse();
    }
  }

  private static long bytesBehind(WitnessPage.Slot slot) throws Exception {
    return Files.size(Path.of(slot.address().split(":", 2)[0]));
  }

  /** Slots are handed out in turn: this takes all before it. */
  private static WitnessPage.Slot nextOfTheSamePlace(WitnessPage page, String address) {
    String place = address.substring(0, address.lastIndexOf(':') + 1);
    while (true) {
      WitnessPage.Slot slot = page.acquire().orElseThrow();
      if (slot.address().startsWith(place)) {
        assertThat(slot.address()).isNotEqualTo(address);
        return slot;
      }
    }
  }

  @Test
  void whoIsWatchedAndRefusedNothingIsQuiet() throws Exception {
    try (WitnessPage page = WitnessPage.create()) {
      WitnessPage.Slot slot = page.acquire().orElseThrow();
      assertThat(slot.isQuiet()).isFalse();
      run(slot.address(), "import os; os.waitpid(os.fork(), 0); os._exit(1)");
      assertThat(slot.isQuiet()).isTrue();
      run(slot.address(), NO_THREAD);
      assertThat(slot.isQuiet()).isFalse();
      assertThat(slot.read().refusals()).isZero();
    }
  }

  private static void refuseTo(String address) throws Exception {
    run(address, REFUSED);
  }

  private static void run(String address, String program) throws Exception {
    ProcessBuilder python = Children.python(program);
    python.environment().put("LD_PRELOAD", NativeFiles.locate().witness().toString());
    python.environment().put(WitnessPage.VARIABLE, address);
    assertThat(python.start().waitFor()).isEqualTo(1);
  }
}
