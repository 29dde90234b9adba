package io.memguard.cli;

import java.util.Objects;
import java.util.concurrent.Callable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The command line's entry: finds the subcommand, and lets no exception out. */
@Command(
    name = "memguard",
    description = {"Runs programs under memory limits, and tells truthfully how they ended.", ""},
    commandListHeading = "%nCommands:%n",
    synopsisSubcommandLabel = "COMMAND",
    versionProvider = Main.Version.class,
    subcommands = {RunCommand.class, DoctorCommand.class},
    footer = {"", "See @|bold memguard run --help|@ for its options, and so for the others."})
public final class Main implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @SuppressWarnings("unused") // picocli reads it
  @Option(names = "--help", usageHelp = true, description = "Shows this and exits.")
  private boolean help;

  @SuppressWarnings("unused") // picocli reads it
  @Option(names = "--version", versionHelp = true, description = "Shows the version and exits.")
  private boolean version;

  /** Made by {@link #main} and by picocli only. */
  @SuppressWarnings("NullAway.Init") // picocli sets the fields
  private Main() {}

  /**
   * Runs memguard, and ends this JVM with the exit status.
   *
   * @param args what stands after {@code memguard}
   */
  public static void main(String[] args) {
    System.exit(run(args));
  }

  private static int run(String[] args) {
    try {
      return new CommandLine(new Main())
          .setExpandAtFiles(false) // "@file" is the command's to understand
          .setStopAtPositional(true) // what follows the command's name is the command's
          .setParameterExceptionHandler((e, all) -> refuse(e))
          .setExecutionExceptionHandler((e, line, parsed) -> fail(e))
          .execute(RawArguments.restore(args));
    } catch (RuntimeException | Error e) {
      return fail(e);
    }
  }

  private static int refuse(ParameterException e) {
    String name = e.getCommandLine().getCommandSpec().qualifiedName();
    Console.say(oneLine(e) + "; see " + name + " --help");
    return ExitStatus.OWN_ERROR;
  }

  private static int fail(Throwable e) {
    Console.say("internal error: " + e.getClass().getSimpleName() + ": " + oneLine(e));
    return ExitStatus.OWN_ERROR;
  }

  private static String oneLine(Throwable e) {
    return Objects.requireNonNullElse(e.getMessage(), "no message").replaceAll("\\s*\\R\\s*", " ");
  }

  @Override
  public Integer call() {
    throw new ParameterException(spec.commandLine(), "nothing to do");
  }

  /** Takes the version from the jar's manifest. */
  static final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
      String version = Main.class.getPackage().getImplementationVersion();
      return new String[] {"memguard " + Objects.requireNonNullElse(version, "(not packaged)")};
    }
  }
}
