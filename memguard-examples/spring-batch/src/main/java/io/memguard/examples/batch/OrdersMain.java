package io.memguard.examples.batch;

import io.memguard.outcome.ChildOutOfMemoryException;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.springframework.batch.core.BatchStatus;
import org.springframework.batch.core.job.Job;
import org.springframework.batch.core.job.JobExecution;
import org.springframework.batch.core.job.parameters.JobParameters;
import org.springframework.batch.core.launch.JobOperator;
import org.springframework.batch.core.step.StepExecution;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.core.env.MapPropertySource;

/** Runs the job, and prints what has become of its steps and items. */
public final class OrdersMain {
  private OrdersMain() {}

  /**
   * Runs the job.
   *
   * @param arguments {@code orders.py}, and an empty directory
   * @throws Exception if it cannot be run; it exits with 1 if it did not complete
   */
  public static void main(String[] arguments) throws Exception {
    Path directory = Path.of(arguments[1]);
    BatchStatus status;
    try (AnnotationConfigApplicationContext context = context(Path.of(arguments[0]), directory)) {
      JobExecution execution =
          context.getBean(JobOperator.class).start(context.getBean(Job.class), new JobParameters());
      @SuppressWarnings("unchecked")
      Quarantine<String> quarantine = context.getBean(Quarantine.class);
      print(execution, quarantine, directory, System.out);
      status = execution.getStatus();
    }
    System.exit(status == BatchStatus.COMPLETED ? 0 : 1);
  }

  static AnnotationConfigApplicationContext context(Path script, Path directory) {
    AnnotationConfigApplicationContext context = new AnnotationConfigApplicationContext();
    context
        .getEnvironment()
        .getPropertySources()
        .addFirst(
            new MapPropertySource(
                "arguments",
                Map.of("script", script.toString(), "directory", directory.toString())));
    context.register(OrdersJob.class);
    context.refresh();
    return context;
  }

  static void print(
      JobExecution execution, Quarantine<String> quarantine, Path directory, PrintStream out)
      throws IOException {
    out.printf("%-16s %-10s %s%n", "item", "status", "limits");
    for (String line : Files.readAllLines(directory.resolve("totals.csv"))) {
      String[] day = line.split(",", -1);
      out.printf("%-16s %-10s %-26s %s orders, %s%n", day[0], "done", day[3], day[1], day[2]);
    }
    for (var skipped : quarantine.skipped()) {
      String cause =
          skipped.cause() instanceof ChildOutOfMemoryException memory
              ? memory.outcome().cause().label()
              : skipped.cause().getClass().getSimpleName();
      out.printf(
          "%-16s %-10s %-26s %s%n",
          skipped.item(), "skipped", OrdersJob.limits(skipped.limits()), cause);
      out.println("  " + skipped.cause().outcome().explanation());
    }
    out.printf("%n%-16s %-10s %s%n", "step", "status", "limits");
    for (StepExecution step : execution.getStepExecutions()) {
      out.printf(
          "%-16s %-10s %-26s read %d, written %d, skipped %d, commits %d%n",
          step.getStepName(),
          step.getStatus(),
          step.getExecutionContext().getString(GuardedTasklet.TRIED, ""),
          step.getReadCount(),
          step.getWriteCount(),
          step.getSkipCount(),
          step.getCommitCount());
    }
    out.print("ledger.txt: " + Files.readString(directory.resolve("ledger.txt")));
  }
}
