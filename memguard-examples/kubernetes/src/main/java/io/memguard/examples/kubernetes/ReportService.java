package io.memguard.examples.kubernetes;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.memguard.MemoryGuard;
import io.memguard.launch.LaunchException;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import io.memguard.outcome.Outcome;
import io.memguard.recover.MemoryBudget;
import io.memguard.recover.RetryPolicy;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/**
 * Makes reports, each in a child process of its own: {@code GET /reports?rows=100000}. A report
 * that needs more memory is tried again with more; one that is too large is refused with the
 * reason, and neither this service nor another report notices.
 */
public final class ReportService implements AutoCloseable {
  private static final int PORT = 8080;
  private static final int AT_A_TIME = 8;
  private static final MemoryLimits USUAL = MemoryLimits.of("64MiB");
  private static final RetryPolicy WITH_MORE =
      RetryPolicy.onOutOfMemory().maxAttempts(3).growBy(2.0).upTo("256MiB");

  /** How long requests may take to end before the service does; see deployment.yaml. */
  static final Duration DRAIN = Duration.ofSeconds(15);

  private static final int OK = 200;
  private static final int BAD_REQUEST = 400;
  private static final int FAILED = 500;
  private static final int BUSY = 503;
  private static final int TOO_LARGE = 507;

  private final List<String> job;
  private final MemoryGuard guard = MemoryGuard.create();
  private final LaunchOptions options =
      LaunchOptions.defaults()
          .withTimeout(Duration.ofMinutes(1))
          .withDieWithParent(true)
          .withBudget(MemoryBudget.ofContainer(), Duration.ofSeconds(10));
  private final ExecutorService requests = Executors.newFixedThreadPool(AT_A_TIME);
  private final HttpServer server;

  /**
   * Starts the service.
   *
   * @param port where it listens, 0 for any that is free
   * @param job the command that makes a report, without the number of rows
   * @throws IOException if it cannot listen there
   */
  public ReportService(int port, List<String> job) throws IOException {
    this.job = List.copyOf(job);
    server = HttpServer.create(new InetSocketAddress(port), 0);
    server.setExecutor(requests);
    server.createContext("/healthz", exchange -> answer(exchange, OK, "ok"));
    server.createContext("/reports", this::report);
    server.start();
  }

  /**
   * Serves until it is sent SIGTERM.
   *
   * @param job the command that makes a report
   * @throws IOException if port 8080 is in use
   */
  @SuppressWarnings("resource") // closed by the hook
  public static void main(String[] job) throws IOException {
    ReportService service = new ReportService(PORT, List.of(job));
    Runtime.getRuntime().addShutdownHook(new Thread(service::close, "closing"));
    System.out.println("Serving on port " + service.port());
  }

  /**
   * Returns where it listens.
   *
   * @return the port
   */
  public int port() {
    return server.getAddress().getPort();
  }

  private void report(HttpExchange exchange) throws IOException {
    String query = exchange.getRequestURI().getQuery();
    if (query == null || !query.matches("rows=[0-9]{1,9}")) {
      answer(exchange, BAD_REQUEST, "ask for /reports?rows=100000");
      return;
    }
    List<String> command = new ArrayList<>(job);
    command.add(query.substring("rows=".length()));
    Path text = Files.createTempFile("report", ".txt");
    try {
      ProcessBuilder child = new ProcessBuilder(command).redirectOutput(text.toFile());
      Outcome outcome = guard.run(child, USUAL, options, WITH_MORE);
      if (outcome.isSuccess()) {
        answer(exchange, OK, Files.readString(text).strip());
      } else {
        int status = outcome instanceof Outcome.OutOfMemory ? TOO_LARGE : FAILED;
        answer(exchange, status, outcome.explanation());
      }
    } catch (LaunchException e) { // no memory left for it in time, or closing
      answer(exchange, BUSY, String.valueOf(e.getMessage()));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      answer(exchange, BUSY, "ending");
    } finally {
      Files.deleteIfExists(text);
    }
  }

  private static void answer(HttpExchange exchange, int status, String text) throws IOException {
    byte[] bytes = (text + "\n").getBytes(StandardCharsets.UTF_8);
    exchange.sendResponseHeaders(status, bytes.length);
    try (OutputStream body = exchange.getResponseBody()) {
      body.write(bytes);
    }
  }

  /** Lets requests end, then ends the children of those that have not. */
  @Override
  public void close() {
    requests.shutdown();
    try {
      requests.awaitTermination(DRAIN.toSeconds(), TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    guard.close(); // SIGTERM to every child's tree, five seconds, SIGKILL
    server.stop(0);
  }
}
