package io.memguard.outcome;

import io.memguard.limits.Rlimit;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * How a program says that it had not enough memory: the way it ends, and a line it prints. A rule
 * counts only for a child under a limit, and a text alone never makes a verdict certain.
 *
 * <p>memguard brings a catalogue of rules, with its own text as the example of how to write them;
 * an application adds its own with {@link
 * io.memguard.limits.GuardOptions#withRules(java.util.List)}. They are asked first.
 *
 * <p>Immutable; safe to share between threads.
 *
 * @param name what it is called, unique in its file
 * @param runtime who speaks so, for people: {@code "Python"}
 * @param programs the file names of that runtime's programs, {@code *} for any text; empty if it is
 *     in programs of any name
 * @param limits the resource limits under which it happens: {@link Rlimit#DATA}, {@link Rlimit#AS}
 *     or both
 * @param exitValues the ends it goes with, as {@link WaitStatus#exitValue} has them; empty for any
 *     but 0
 * @param onStdout whether it may be on stdout
 * @param onStderr whether it may be on stderr
 * @param texts what is looked for: any of them, somewhere in the last few KiB; none if nothing is
 *     printed, and only the smallest limit is told
 * @param cause {@link Cause#ALLOCATION_DENIED}, {@link Cause#LIMIT_TOO_LOW} or {@link
 *     Cause#RUNTIME_HEAP}
 * @param most the highest confidence that it can give where nobody saw a refusal
 * @param remedy what to do, as part of a sentence; may be empty
 * @param starts the smallest limits under which that runtime is known to start, in bytes
 * @param cases the captured cases behind it; may be empty
 */
public record RuntimeRule(
    String name,
    String runtime,
    List<String> programs,
    Set<Rlimit> limits,
    Set<Integer> exitValues,
    boolean onStdout,
    boolean onStderr,
    List<Pattern> texts,
    Cause cause,
    Confidence most,
    String remedy,
    Map<Rlimit, Long> starts,
    List<String> cases) {

  private static final Set<Cause> CAUSES =
      Set.of(Cause.ALLOCATION_DENIED, Cause.LIMIT_TOO_LOW, Cause.RUNTIME_HEAP);

  /**
   * Checks the values, and copies the collections.
   *
   * @param name what it is called
   * @param runtime who speaks so
   * @param programs the file names of its programs
   * @param limits the resource limits under which it happens
   * @param exitValues the ends it goes with
   * @param onStdout whether it may be on stdout
   * @param onStderr whether it may be on stderr
   * @param texts what is looked for
   * @param cause what it means
   * @param most the highest confidence
   * @param remedy what to do
   * @param starts the smallest limits under which it starts
   * @param cases the captured cases behind it
   * @throws IllegalArgumentException if the cause is another, or {@code most} is {@link
   *     Confidence#CERTAIN}: words are no proof
   */
  public RuntimeRule {
    if (!CAUSES.contains(cause)) {
      throw new IllegalArgumentException(
          "rule " + name + " has the cause " + cause + "; allowed are " + CAUSES);
    }
    if (most == Confidence.CERTAIN) {
      throw new IllegalArgumentException(
          "rule " + name + " would be CERTAIN of words; allowed are PROBABLE and POSSIBLE");
    }
    programs = List.copyOf(programs);
    limits = Set.copyOf(limits);
    exitValues = Set.copyOf(exitValues);
    texts = List.copyOf(texts);
    starts = Map.copyOf(starts);
    cases = List.copyOf(cases);
  }

  /**
   * Reads rules from text.
   *
   * @param text the rules; docs/catalogue.md says how they are written
   * @return the rules, in their order
   * @throws IllegalArgumentException if a line is wrong; the message has its number, and what is
   *     allowed
   */
  public static List<RuntimeRule> parse(String text) {
    return new RuleParser().parse(text);
  }

  /**
   * Reads rules from a file, in UTF-8.
   *
   * @param file where they are
   * @return the rules, in their order
   * @throws IOException if it cannot be read: {@link java.nio.file.NoSuchFileException} if it is
   *     not there, {@link java.nio.charset.MalformedInputException} if it is not UTF-8
   * @throws IllegalArgumentException if a line is wrong; the message has its number, and what is
   *     allowed
   */
  public static List<RuntimeRule> read(Path file) throws IOException {
    return parse(Files.readString(file));
  }

  /**
   * Tells whether a program is one of this rule's runtime, by its file name.
   *
   * @param program the file's name, without its directory
   * @return true if it is; false also if the rule names no programs
   */
  public boolean names(String program) {
    return programs.stream().anyMatch(glob -> matches(glob, program));
  }

  private static boolean matches(String glob, String program) {
    int star = glob.indexOf('*');
    return star < 0
        ? glob.equals(program)
        : program.length() >= glob.length() - 1
            && program.startsWith(glob.substring(0, star))
            && program.endsWith(glob.substring(star + 1));
  }

  /**
   * Returns the smallest limit under which its runtime is known to start.
   *
   * @param limit which resource limit
   * @return bytes, or empty if it is unknown
   */
  public OptionalLong startsUnder(Rlimit limit) {
    return Optional.ofNullable(starts.get(limit))
        .map(OptionalLong::of)
        .orElse(OptionalLong.empty());
  }
}
