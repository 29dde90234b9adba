package io.memguard.examples.batch;

import io.memguard.MemoryGuard;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import javax.sql.DataSource;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.springframework.batch.core.configuration.annotation.EnableBatchProcessing;
import org.springframework.batch.core.configuration.annotation.EnableJdbcJobRepository;
import org.springframework.batch.core.job.Job;
import org.springframework.batch.core.job.JobExecution;
import org.springframework.batch.core.job.builder.JobBuilder;
import org.springframework.batch.core.job.parameters.JobParameters;
import org.springframework.batch.core.launch.JobOperator;
import org.springframework.batch.core.repository.JobRepository;
import org.springframework.batch.core.step.StepExecution;
import org.springframework.batch.core.step.builder.StepBuilder;
import org.springframework.batch.core.step.tasklet.Tasklet;
import org.springframework.context.annotation.AnnotationConfigApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.jdbc.datasource.embedded.EmbeddedDatabaseBuilder;
import org.springframework.jdbc.datasource.embedded.EmbeddedDatabaseType;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.PlatformTransactionManager;

/** Runs single tasklets as jobs of one step, with a repository of their own. */
abstract class BatchFixture {
  private static final long DEADLINE_NANOS = 60_000_000_000L;

  @TempDir Path directory;
  MemoryGuard guard;
  private AnnotationConfigApplicationContext context;

  @Configuration
  @EnableBatchProcessing
  @EnableJdbcJobRepository
  static class Infrastructure {
    @Bean
    DataSource dataSource() {
      return new EmbeddedDatabaseBuilder()
          .setType(EmbeddedDatabaseType.H2)
          .generateUniqueName(true)
          .addScript("/org/springframework/batch/core/schema-h2.sql")
          .build();
    }

    @Bean
    PlatformTransactionManager transactionManager(DataSource dataSource) {
      return new JdbcTransactionManager(dataSource);
    }
  }

  @BeforeEach
  void start() {
    guard = MemoryGuard.create();
    context = new AnnotationConfigApplicationContext(Infrastructure.class);
  }

  @AfterEach
  void end() {
    context.close();
    guard.close();
  }

  /** Runs a job of one step; run again after a failure, it is a restart. */
  StepExecution run(Tasklet tasklet) throws Exception {
    JobRepository repository = context.getBean(JobRepository.class);
    Job job =
        new JobBuilder("job", repository)
            .start(
                new StepBuilder("step", repository)
                    .tasklet(tasklet, context.getBean(PlatformTransactionManager.class))
                    .build())
            .build();
    JobExecution execution = context.getBean(JobOperator.class).start(job, new JobParameters());
    return execution.getStepExecutions().iterator().next();
  }

  static ProcessHandle process(Path pid) throws Exception {
    await("a pid in " + pid, () -> Files.exists(pid) && Files.readString(pid).endsWith("\n"));
    return ProcessHandle.of(Long.parseLong(Files.readString(pid).strip())).orElseThrow();
  }

  static void await(String what, Callable<Boolean> condition) throws Exception {
    long deadline = System.nanoTime() + DEADLINE_NANOS;
    while (!condition.call()) {
      if (System.nanoTime() > deadline) {
        throw new AssertionError("waited in vain for " + what);
      }
      Thread.sleep(20);
    }
  }

  /** A command that starts another, writes down both pids, and waits. */
  String[] family() {
    return new String[] {
      "sh",
      "-c",
      "sleep 600 & echo $! > '%1$s/grandchild'; echo $$ > '%1$s/child'; wait".formatted(directory)
    };
  }
}
