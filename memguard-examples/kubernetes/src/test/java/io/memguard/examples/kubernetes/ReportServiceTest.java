package io.memguard.examples.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The service that runs in the pods, asked over HTTP. */
@Timeout(180)
class ReportServiceTest {
  private static final List<String> JOB =
      List.of("python3", Path.of("src/main/container/report.py").toString());

  private final HttpClient client = HttpClient.newHttpClient();

  @Test
  void reportsThatNeedMoreGetItAndTheTooLargeIsRefusedWithTheReason() throws Exception {
    try (ReportService service = new ReportService(0, JOB)) {
      assertThat(get(service, "/healthz").join().statusCode()).isEqualTo(200);

      List<CompletableFuture<HttpResponse<String>>> answers =
          IntStream.of(1_000, 1_500_000, 100_000_000, 2_000)
              .mapToObj(rows -> get(service, "/reports?rows=" + rows))
              .toList();

      assertThat(answers.get(0).join().body()).startsWith("1,000 rows, median 0.");
      assertThat(answers.get(1).join().body()).startsWith("1,500,000 rows, median 0.5");
      assertThat(answers.get(2).join().statusCode()).isEqualTo(507);
      assertThat(answers.get(2).join().body()).contains("was refused", "256MiB");
      assertThat(answers.get(3).join().statusCode()).isEqualTo(200);
    }
  }

  @Test
  void nonsenseIsRefused() throws Exception {
    try (ReportService service = new ReportService(0, JOB)) {
      assertThat(get(service, "/reports?rows=-1").join().statusCode()).isEqualTo(400);
      assertThat(get(service, "/reports").join().statusCode()).isEqualTo(400);
    }
  }

  private CompletableFuture<HttpResponse<String>> get(ReportService service, String path) {
    URI uri = URI.create("http://localhost:" + service.port() + path);
    HttpRequest request = HttpRequest.newBuilder(uri).timeout(Duration.ofSeconds(150)).build();
    return client.sendAsync(request, HttpResponse.BodyHandlers.ofString());
  }
}
