package io.memguard.cli;

import io.memguard.Capabilities;
import io.memguard.MemoryGuard;
import io.memguard.doctor.Assessment;
import io.memguard.doctor.Verdict;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Help.Ansi;
import picocli.CommandLine.Option;

/** {@code memguard doctor}: says what protects children here, and what would protect them more. */
@Command(
    name = "doctor",
    customSynopsis = "memguard doctor [--json]",
    description = {
      "Says where it runs, what becomes of everything there when a child takes memory without end,"
          + " and what can be done about it, by whom. It starts one child that does nothing, and"
          + " changes nothing.",
      ""
    },
    exitCodeListHeading = "%nExit status:%n",
    exitCodeList = {
      "0:protected: such a child is refused memory, or killed alone",
      "1:partly: memguard acts first, and what gets past it can end everything",
      "2:exposed: everything can end, and nothing is sure to act before",
      "125:memguard itself failed, or was used wrongly"
    })
final class DoctorCommand implements Callable<Integer> {
  @Option(names = "--json", description = "Write a JSON object instead of text for people.")
  private boolean json;

  @SuppressWarnings("unused") // picocli reads it
  @Option(names = "--help", usageHelp = true, description = "Shows this and exits.")
  private boolean help;

  DoctorCommand() {}

  @Override
  public Integer call() {
    try (MemoryGuard guard = MemoryGuard.create()) {
      Capabilities here = guard.capabilities();
      Assessment assessment = here.assessment();
      System.out.print(
          json
              ? DoctorJson.of(here, assessment)
              : new DoctorText(Ansi.AUTO).write(here, assessment));
      if (System.out.checkError()) { // the status would pass for a verdict
        Console.say("what it found cannot be written to stdout");
        return ExitStatus.OWN_ERROR;
      }
      return status(assessment.verdict());
    }
  }

  private static int status(Verdict verdict) {
    return switch (verdict) {
      case PROTECTED -> 0;
      case PARTLY -> 1;
      case EXPOSED -> 2;
    };
  }
}
