package io.memguard.cli;

import io.memguard.Capabilities;
import io.memguard.doctor.Assessment;
import io.memguard.doctor.Cgroups;
import io.memguard.doctor.Place;
import io.memguard.doctor.Remedy;
import io.memguard.doctor.Surroundings;
import io.memguard.doctor.SystemdUnit;
import io.memguard.doctor.Verdict;
import io.memguard.limits.EffectiveLimit;
import io.memguard.limits.MemorySize;
import io.memguard.limits.Protection;
import io.memguard.limits.ProtectionState;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import picocli.CommandLine.Help.Ansi;

/** What {@code memguard doctor} says to people: the verdict first, no line over 80 columns. */
final class DoctorText {
  private static final int COLUMN = 19;

  private final Ansi ansi;
  private final Paragraphs out = new Paragraphs();

  DoctorText(Ansi ansi) {
    this.ansi = ansi;
  }

  String write(Capabilities here, Assessment assessment) {
    verdict(assessment);
    Surroundings around = here.surroundings();
    heading("Where this is");
    for (Place.Sighting sighting : around.places()) {
      entry(words(sighting.place().label()), sighting.sign());
    }
    entry("engine", words(here.engine().name()) + ": " + here.engineReason());
    cgroups(around, here.limits());
    heading("What protects a child here");
    for (Protection protection : Protection.values()) {
      ProtectionState state = here.protections().get(protection);
      if (state != null) {
        entry(protection.label(), (state.active() ? "yes: " : "no: ") + state.reason());
      }
    }
    if (!here.limitations().isEmpty()) {
      heading("What the " + words(here.engine().name()) + " engine cannot do");
      here.limitations().forEach(what -> out.paragraph("  - ", what));
    }
    kernel(around);
    heading("This command's own JVM, as memguard run has it");
    List<String> advice = here.advice();
    entry("heap", advice.isEmpty() ? "leaves room for children" : String.join(" ", advice));
    entry("an application's", "not looked at: in it, guard.capabilities().advice() does");
    return out.toString();
  }

  private void verdict(Assessment assessment) {
    out.line("memguard doctor: " + ansi.string(colour(assessment.verdict())));
    out.line("");
    out.paragraph("", assessment.headline());
    if (!assessment.open().isEmpty()) {
      heading("What is left open");
      assessment.open().forEach(sentence -> out.paragraph("  - ", sentence));
    }
    heading("What can be done");
    if (assessment.remedies().isEmpty()) {
      out.paragraph("  ", "Nothing needs to be.");
    }
    int number = 1;
    for (Remedy remedy : assessment.remedies()) {
      out.paragraph(
          String.format(Locale.ROOT, "%3d. ", number++),
          remedy.who().label()
              + (remedy.then() == assessment.verdict() ? "" : ", then " + remedy.then().label())
              + ": "
              + remedy.what());
    }
  }

  private static String colour(Verdict verdict) {
    return switch (verdict) {
      case PROTECTED -> "@|bold,green PROTECTED|@";
      case PARTLY -> "@|bold,yellow PARTLY PROTECTED|@";
      case EXPOSED -> "@|bold,red EXPOSED|@";
    };
  }

  private void cgroups(Surroundings around, List<EffectiveLimit> limits) {
    heading("Cgroups and limits");
    Cgroups cgroups = around.cgroups();
    entry(
        "version",
        cgroups
            .mount()
            .map(
                mount ->
                    cgroups.version().label()
                        + " at "
                        + mount
                        + (cgroups.readOnly() ? ", read-only" : ""))
            .orElse("none that can be seen"));
    for (Cgroups.Level level : cgroups.levels()) {
      entry(level.path(), describe(level, around));
    }
    cgroups.hidden().ifPresent(why -> entry("above", "not seen: " + why));
    for (EffectiveLimit limit : limits) {
      entry(
          switch (limit.kind()) {
            case MAX -> "limit that binds";
            case HIGH -> "slows down at";
            case SWAP -> "swap limit";
            case MEMORY_AND_SWAP -> "memory and swap";
          },
          MemorySize.format(limit.bytes()) + ", " + limit.setBy() + " (" + limit.source() + ")");
    }
    entry("killed together", killedTogether(around));
    around.unit().ifPresent(unit -> entry("systemd", describe(unit)));
  }

  private static String killedTogether(Surroundings around) {
    Optional<Cgroups.GroupKill> kill = around.cgroups().groupKill();
    if (kill.isPresent()) {
      return "yes: " + kill.get();
    }
    if (around.isIn(Place.GVISOR)) {
      return "yes: gVisor's sandbox is killed as a whole";
    }
    Optional<SystemdUnit> unit = around.unit().filter(SystemdUnit::endsTogether);
    if (unit.isPresent()) {
      return "yes, by systemd: it ends " + unit.get().name() + " when one was killed";
    }
    return switch (around.cgroups().version()) {
      case V2 -> "no: no cgroup that can be seen has memory.oom.group set";
      case V1, HYBRID -> "no: there is no memory.oom.group here";
      case NONE -> "not known: no cgroup can be seen";
    };
  }

  private static String describe(Cgroups.Level level, Surroundings around) {
    StringBuilder text = new StringBuilder("limit ").append(orNone(level.maxBytes()));
    level
        .highBytes()
        .ifPresent(high -> text.append(", slows down at ").append(MemorySize.format(high)));
    if (around.memory().swapTotal().orElse(0) > 0) {
      String what = around.cgroups().version() == Cgroups.Version.V2 ? "swap" : "with swap";
      level
          .swapBytes()
          .ifPresent(
              swap -> text.append(", ").append(what).append(' ').append(MemorySize.format(swap)));
    }
    level.usedBytes().ifPresent(used -> text.append(", used ").append(MemorySize.format(used)));
    if (level.oomGroup().orElse(false)) {
      text.append(", killed as a whole");
    }
    return text.toString();
  }

  private static String describe(SystemdUnit unit) {
    return unit.name()
        + (unit.ofUser() ? " of the user's manager" : "")
        + ", OOMPolicy="
        + unit.oomPolicy().orElse("?")
        + unit.delegated().map(yes -> yes ? ", Delegate=yes" : ", Delegate=no").orElse("")
        + unit.unknown().map(why -> " (" + why + ")").orElse("");
  }

  private void kernel(Surroundings around) {
    heading("The kernel and this process");
    Surroundings.Memory memory = around.memory();
    entry("memory", size(memory.available()) + " available of " + size(memory.total()));
    entry(
        "swap",
        memory.swapTotal().orElse(0) == 0
            ? "none"
            : size(memory.swapFree()) + " free of " + size(memory.swapTotal()));
    around.overcommit().ifPresent(how -> entry("overcommit", describe(how)));
    entry(
        "pressure",
        around
            .pressure()
            .map(
                now ->
                    String.format(
                        Locale.ROOT,
                        "some %.2f %%, full %.2f %% of the last 10 s (%s)",
                        now.someAvg10(),
                        now.fullAvg10(),
                        now.source()))
            .orElse("the kernel does not tell (no PSI)"));
    entry(
        "oom_score_adj",
        around.oomScoreAdj()
            + around
                .qos()
                .map(qos -> ", which suggests the class " + words(qos.name()))
                .orElse(""));
    entry("seccomp", around.seccompFilter() ? "a filter is on" : "no filter");
    entry(
        "clone3",
        switch (around.clone3()) {
          case WORKS -> "works";
          case REFUSED -> "is refused: a child joins its cgroup before it execs";
          case UNKNOWN -> "not tried: the native library was not loaded";
        });
    entry("kernel log", around.kernelLogObstacle().map(why -> "no: " + why).orElse("readable"));
  }

  private static String describe(Surroundings.Overcommit how) {
    return switch (how.mode()) {
      case 0 -> "0: the kernel promises what is not absurd";
      case 1 -> "1: the kernel promises everything";
      default ->
          "2: " + size(how.headroomBytes()) + " can be promised yet, of " + size(how.limitBytes());
    };
  }

  private void heading(String text) {
    out.line("");
    out.line(ansi.string("@|bold " + text + "|@"));
  }

  private void entry(String label, String text) {
    String begin = "  " + Paragraphs.clean(label);
    if (begin.length() < COLUMN) {
      out.paragraph(begin + " ".repeat(COLUMN - begin.length()), text);
    } else {
      out.paragraph("  ", label);
      out.paragraph(" ".repeat(COLUMN), text);
    }
  }

  private static String words(String name) {
    return name.toLowerCase(Locale.ROOT).replace('_', ' ').replace('-', ' ');
  }

  private static String orNone(OptionalLong bytes) {
    return bytes.isPresent() ? MemorySize.format(bytes.getAsLong()) : "none";
  }

  private static String size(OptionalLong bytes) {
    return bytes.isPresent() ? MemorySize.format(bytes.getAsLong()) : "?";
  }
}
