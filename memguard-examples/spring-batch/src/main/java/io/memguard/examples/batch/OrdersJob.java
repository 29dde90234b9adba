package io.memguard.examples.batch;

import io.memguard.MemoryGuard;
import io.memguard.examples.batch.GuardedItemProcessor.Processed;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.limits.MemorySize;
import io.memguard.outcome.AllocationDeniedException;
import io.memguard.outcome.ChildOutOfMemoryException;
import io.memguard.outcome.LimitTooLowException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.sql.DataSource;
import org.springframework.batch.core.configuration.annotation.EnableBatchProcessing;
import org.springframework.batch.core.configuration.annotation.EnableJdbcJobRepository;
import org.springframework.batch.core.configuration.annotation.StepScope;
import org.springframework.batch.core.job.Job;
import org.springframework.batch.core.job.builder.JobBuilder;
import org.springframework.batch.core.repository.JobRepository;
import org.springframework.batch.core.step.Step;
import org.springframework.batch.core.step.builder.StepBuilder;
import org.springframework.batch.core.step.tasklet.SystemCommandTasklet;
import org.springframework.batch.infrastructure.item.file.FlatFileItemWriter;
import org.springframework.batch.infrastructure.item.file.builder.FlatFileItemWriterBuilder;
import org.springframework.batch.infrastructure.item.support.ListItemReader;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.core.io.FileSystemResource;
import org.springframework.core.retry.RetryPolicy;
import org.springframework.jdbc.datasource.embedded.EmbeddedDatabaseBuilder;
import org.springframework.jdbc.datasource.embedded.EmbeddedDatabaseType;
import org.springframework.jdbc.support.JdbcTransactionManager;
import org.springframework.transaction.PlatformTransactionManager;

/**
 * A job of three steps over a folder of orders: {@code generate} writes a file a day, {@code
 * totals} sums each of them, {@code ledger} loads them all. Two files are too large for the first
 * limit, one is a decompression bomb, and the ledger needs more than it begins with.
 */
@Configuration
@EnableBatchProcessing
@EnableJdbcJobRepository
public class OrdersJob {
  private static final String FIRST = "48MiB";
  private static final String CEILING = "512MiB";
  private static final int RETRIES = 3;
  private static final int CHUNK = 4;
  private static final int SKIPS = 10;
  private static final Duration TIMEOUT = Duration.ofMinutes(2);

  private final Path script;
  private final Path directory;

  OrdersJob(@Value("${script}") Path script, @Value("${directory}") Path directory) {
    this.script = script;
    this.directory = directory;
  }

  @Bean
  MemoryGuard guard() {
    return MemoryGuard.create();
  }

  @Bean
  Job orders(JobRepository repository, Step generate, Step totals, Step ledger) {
    return new JobBuilder("orders", repository).start(generate).next(totals).next(ledger).build();
  }

  // [CommandRunner]
  @Bean
  SystemCommandTasklet generator(MemoryGuard guard) {
    SystemCommandTasklet tasklet = new SystemCommandTasklet();
    tasklet.setCommand("python3", script.toString(), "generate", directory.toString());
    tasklet.setTimeout(TIMEOUT.toMillis());
    tasklet.setInterruptOnCancel(true);
    tasklet.setCommandRunner(new GuardedCommandRunner(guard, MemoryLimits.of("512MiB")));
    return tasklet;
  }

  // [CommandRunner]

  @Bean
  Step generate(
      JobRepository repository,
      PlatformTransactionManager transactions,
      SystemCommandTasklet generator) {
    return new StepBuilder("generate", repository).tasklet(generator, transactions).build();
  }

  // [retry]
  @Bean
  Step totals(
      JobRepository repository,
      PlatformTransactionManager transactions,
      ListItemReader<String> days,
      GuardedItemProcessor<String> processor,
      Quarantine<String> quarantine,
      FlatFileItemWriter<Processed<String>> writer) {
    return new StepBuilder("totals", repository)
        .<String, Processed<String>>chunk(CHUNK)
        .transactionManager(transactions)
        .reader(days)
        .processor(processor)
        .writer(writer)
        .faultTolerant()
        .retryPolicy(
            RetryPolicy.builder()
                .includes(AllocationDeniedException.class, LimitTooLowException.class)
                .maxRetries(RETRIES)
                .delay(Duration.ZERO)
                .build())
        .skip(ChildOutOfMemoryException.class)
        .skipLimit(SKIPS)
        .skipListener(quarantine)
        .build();
  }

  // [retry]

  /** Made when the step begins: only then are the files there. */
  @Bean
  @StepScope
  ListItemReader<String> days() {
    try (Stream<Path> files = Files.list(directory)) {
      return new ListItemReader<>(
          files
              .map(file -> file.getFileName().toString())
              .filter(name -> name.endsWith(".json.gz"))
              .sorted()
              .toList());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Bean
  GuardedItemProcessor<String> processor(MemoryGuard guard) {
    return new GuardedItemProcessor<>(
        guard,
        day -> List.of("python3", script.toString(), "total", directory.resolve(day).toString()),
        Growth.of(FIRST, CEILING),
        LaunchOptions.defaults().withTimeout(TIMEOUT));
  }

  @Bean
  Quarantine<String> quarantine(GuardedItemProcessor<String> processor) {
    return new Quarantine<>(processor);
  }

  @Bean
  FlatFileItemWriter<Processed<String>> writer() {
    return new FlatFileItemWriterBuilder<Processed<String>>()
        .name("totals")
        .resource(new FileSystemResource(directory.resolve("totals.csv")))
        .lineAggregator(day -> day.item() + "," + day.output() + "," + limits(day.limits()))
        .build();
  }

  /** Writes limits as people read them. */
  static String limits(List<Long> bytes) {
    return bytes.stream().map(MemorySize::format).collect(Collectors.joining(" "));
  }

  @Bean
  GuardedTasklet accountant(MemoryGuard guard) {
    return new GuardedTasklet(
        guard,
        List.of("python3", script.toString(), "ledger", directory.toString()),
        Growth.of(FIRST, "1GiB"),
        LaunchOptions.defaults().withTimeout(TIMEOUT));
  }

  @Bean
  Step ledger(
      JobRepository repository,
      PlatformTransactionManager transactions,
      GuardedTasklet accountant) {
    return new StepBuilder("ledger", repository).tasklet(accountant, transactions).build();
  }

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
