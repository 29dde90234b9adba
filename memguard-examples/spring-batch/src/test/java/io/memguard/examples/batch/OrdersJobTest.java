package io.memguard.examples.batch;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.memguard.outcome.AllocationDeniedException;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.springframework.batch.core.BatchStatus;
import org.springframework.batch.core.job.Job;
import org.springframework.batch.core.job.JobExecution;
import org.springframework.batch.core.launch.JobOperator;
import org.springframework.batch.core.repository.JobRepository;
import org.springframework.batch.core.step.StepExecution;
import org.springframework.batch.test.JobOperatorTestUtils;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;

/** The example's job: the honest items are done, the bomb is skipped, the ledger grows. */
class OrdersJobTest {
  private static final Path SCRIPT = Path.of("src/main/jobs/orders.py").toAbsolutePath();

  @TempDir Path directory;
  private AnnotationConfigApplicationContext context;
  private Quarantine<String> quarantine;

  @BeforeEach
  @SuppressWarnings("unchecked")
  void start() {
    context = OrdersMain.context(SCRIPT, directory);
    quarantine = context.getBean(Quarantine.class);
  }

  @AfterEach
  void end() {
    context.close();
  }

  @Test
  void skipsTheBombAndGivesMoreToWhoNeedsIt() throws Exception {
    JobOperatorTestUtils utils =
        new JobOperatorTestUtils(
            context.getBean(JobOperator.class), context.getBean(JobRepository.class));
    utils.setJob(context.getBean(Job.class));
    JobExecution execution = utils.startJob();
    assertThat(execution.getStatus()).isEqualTo(BatchStatus.COMPLETED);

    List<String> totals = Files.readAllLines(directory.resolve("totals.csv"));
    assertThat(totals).hasSize(11);
    assertThat(totals.get(0)).isEqualTo("day-01.json.gz,4000,197636.57,48MiB");
    assertThat(line(totals, "day-05")).contains(",150000,").contains(",48MiB ");
    assertThat(line(totals, "day-09")).contains(",400000,").contains(",48MiB ");
    assertThat(totals).noneMatch(line -> line.startsWith("day-07"));

    assertThat(quarantine.skipped())
        .singleElement()
        .satisfies(
            skipped -> {
              assertThat(skipped.item()).isEqualTo("day-07.json.gz");
              assertThat(skipped.cause()).isInstanceOf(AllocationDeniedException.class);
              assertThat(skipped.limits()).hasSizeGreaterThan(1).startsWith(48L << 20).isSorted();
            });

    StepExecution step = step(execution, "totals");
    assertThat(step.getReadCount()).isEqualTo(12);
    assertThat(step.getWriteCount()).isEqualTo(11);
    assertThat(step.getProcessSkipCount()).isEqualTo(1);
    assertThat(step.getRollbackCount()).as("a retry does its item again, not its chunk").isZero();

    assertThat(step(execution, "ledger").getExecutionContext().getString(GuardedTasklet.TRIED))
        .startsWith("48MiB ");
    assertThat(directory.resolve("ledger.txt")).hasContent("11 days, 586000 orders");

    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    try (PrintStream out = new PrintStream(printed, true, UTF_8)) {
      OrdersMain.print(execution, quarantine, directory, out);
    }
    String shown = Files.readString(Path.of("README.md")).split("```(text\n)?", -1)[3];
    assertThat(withoutLimits(printed.toString(UTF_8)))
        .isEqualTo(withoutLimits(shown.replace("ledger: MemoryError\n", "")));
  }

  /** What was enough, and after how many attempts, is the machine's matter. */
  private static String withoutLimits(String report) {
    return report.replaceAll("([\\d.]+MiB *)+|(?<=commits )\\d+", "…");
  }

  @ParameterizedTest
  @ValueSource(strings = {"CommandRunner", "retry"})
  void standsInTheReadme(String part) throws Exception {
    String mark = "// [" + part + "]\n";
    String[] source =
        Files.readString(Path.of("src/main/java/io/memguard/examples/batch/OrdersJob.java"))
            .split(Pattern.quote(mark), -1);
    assertThat(Files.readString(Path.of("README.md"))).contains(source[1].stripIndent().strip());
  }

  private static String line(List<String> lines, String start) {
    return lines.stream().filter(line -> line.startsWith(start)).findFirst().orElseThrow();
  }

  private static StepExecution step(JobExecution execution, String name) {
    return execution.getStepExecutions().stream()
        .filter(step -> step.getStepName().equals(name))
        .findFirst()
        .orElseThrow();
  }
}
