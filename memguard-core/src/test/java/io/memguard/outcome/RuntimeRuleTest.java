package io.memguard.outcome;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import io.memguard.limits.Rlimit;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** How rules are written, and what is said of a line that is wrong. */
@Tag("engine-independent")
final class RuntimeRuleTest {
  private static final String ALL =
      """
      # a comment
      [render-full]
      runtime = the renderer
      program = render render-*
      limit   = as
      end     = exit 3; exit 7-9; signal 6
      where   = stderr
      text    = ^out of tiles$
      text    = ^no room for (layer|mask)
      cause   = limit-too-low
      most    = possible
      remedy  = lower --tiles
      starts  = data 24MiB, as 1GiB
      case    = render/full
      """;

  @Test
  void readsAllThatARuleCanSay() {
    RuntimeRule rule = RuntimeRule.parse(ALL).get(0);
    assertThat(rule.name()).isEqualTo("render-full");
    assertThat(rule.runtime()).isEqualTo("the renderer");
    assertThat(rule.limits()).containsExactly(Rlimit.AS);
    assertThat(rule.exitValues()).containsExactlyInAnyOrder(3, 7, 8, 9, 134);
    assertThat(rule.onStdout()).isFalse();
    assertThat(rule.onStderr()).isTrue();
    assertThat(rule.texts())
        .extracting(Pattern::pattern)
        .containsExactly("^out of tiles$", "^no room for (layer|mask)");
    assertThat(rule.cause()).isEqualTo(Cause.LIMIT_TOO_LOW);
    assertThat(rule.most()).isEqualTo(Confidence.POSSIBLE);
    assertThat(rule.remedy()).isEqualTo("lower --tiles");
    assertThat(rule.startsUnder(Rlimit.DATA)).hasValue(24L << 20);
    assertThat(rule.startsUnder(Rlimit.AS)).hasValue(1L << 30);
    assertThat(rule.startsUnder(Rlimit.STACK)).isEmpty();
    assertThat(rule.cases()).containsExactly("render/full");
  }

  @Test
  void whatIsNotSaidHasADefault() {
    RuntimeRule rule = RuntimeRule.parse("[ours]\ntext = no room").get(0);
    assertThat(rule.runtime()).isEqualTo("ours");
    assertThat(rule.programs()).isEmpty();
    assertThat(rule.limits()).containsExactlyInAnyOrder(Rlimit.DATA, Rlimit.AS);
    assertThat(rule.exitValues()).isEmpty();
    assertThat(rule.onStdout() && rule.onStderr()).isTrue();
    assertThat(rule.cause()).isEqualTo(Cause.ALLOCATION_DENIED);
    assertThat(rule.most()).isEqualTo(Confidence.PROBABLE);
  }

  @ParameterizedTest
  @CsvSource({"render, true", "render-2, true", "renders, false", "my-render, false", "'', false"})
  void aProgramIsKnownByItsFilesName(String program, boolean known) {
    assertThat(RuntimeRule.parse(ALL).get(0).names(program)).isEqualTo(known);
  }

  @Test
  void readsAFile(@TempDir Path directory) throws Exception {
    Path file = Files.writeString(directory.resolve("rules"), ALL + "[b]\ntext = é\n");
    assertThat(RuntimeRule.read(file))
        .extracting(RuntimeRule::name)
        .containsExactly("render-full", "b");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "text = x | line 1 of the rules: 'text = x' belongs to no rule; a rule begins with a line [name]",
        "[a]~text | line 2 of the rules: 'text' is neither [name], nor key = value, nor a comment with #",
        "[a]~[b]~text = x | line 1 of the rules: the rule [a] has no text",
        "[a]~text = x~[a]~text = y | line 3 of the rules: there is a rule [a] already; each has a name of its own",
        "[a]~color = red | line 2 of the rules: unknown key 'color'; they are runtime, program, limit,",
        "[a]~text = ( | line 2 of the rules: '(' is no pattern of java.util.regex: Unclosed group",
        "[a]~text = x* | line 2 of the rules: the text 'x*' matches anything, also nothing",
        "[a]~end = exit 0 | line 2 of the rules: 'exit 0' is out of range; allowed are exit 1 to 255 and signal 1 to 64",
        "[a]~end = exit 9-3 | line 2 of the rules: 'exit 9-3' is out of range",
        "[a]~end = signal 65 | line 2 of the rules: 'signal 65' is out of range",
        "[a]~end = SIGABRT | line 2 of the rules: 'SIGABRT' is no end; write for example 'exit 1; exit 3-7; signal 6', or 'any'",
        "[a]~limit = rss | line 2 of the rules: unknown limit 'rss'; allowed are data and as",
        "[a]~where = log | line 2 of the rules: unknown stream in 'log'; allowed are stdout and stderr",
        "[a]~cause = host | line 2 of the rules: unknown cause 'host'; allowed are allocation-denied, limit-too-low and",
        "[a]~most = certain | line 2 of the rules: 'certain' is not what a text can be; allowed are probable and possible",
        "[a]~starts = 24MiB | line 2 of the rules: '24MiB' is no limit; write for example 'data 24MiB, as 700MiB'",
        "[a]~program = | line 2 of the rules: there is nothing behind the =",
        "[a]~starts = data much | line 2 of the rules:",
        "[a]~starts = data 1MiB | line 1 of the rules: a rule without a text can only be for the cause limit-too-low",
      })
  void saysWhatIsWrongAndWhere(String rules, String message) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> RuntimeRule.parse(rules.replace('~', '\n')))
        .withMessageContaining(message);
  }
}
