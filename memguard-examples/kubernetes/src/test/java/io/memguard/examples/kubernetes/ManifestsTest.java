package io.memguard.examples.kubernetes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLFactory;
import io.kubernetes.client.custom.Quantity;
import io.kubernetes.client.custom.QuantityFormatException;
import io.kubernetes.client.openapi.JSON;
import io.kubernetes.client.openapi.models.V1Container;
import io.kubernetes.client.openapi.models.V1Deployment;
import io.kubernetes.client.openapi.models.V1Job;
import io.kubernetes.client.openapi.models.V1Pod;
import io.kubernetes.client.openapi.models.V1PodSpec;
import io.kubernetes.client.openapi.models.V1RuntimeClass;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The manifests, read by the official Java client: it is generated from the API's own description,
 * refuses fields that the API does not know, and misses those that it needs.
 */
class ManifestsTest {
  private static final ObjectMapper YAML =
      new ObjectMapper(new YAMLFactory()).enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION);

  @Test
  void theDeploymentIsOne() throws Exception {
    V1Deployment deployment = read(deployment(), V1Deployment.class);

    assertThat(deployment.getApiVersion()).isEqualTo("apps/v1");
    assertThat(deployment.getKind()).isEqualTo("Deployment");
    Map<String, String> selected = deployment.getSpec().getSelector().getMatchLabels();
    assertThat(deployment.getSpec().getTemplate().getMetadata().getLabels())
        .containsAllEntriesOf(selected);
    assertSound(deployment.getSpec().getTemplate().getSpec());
  }

  @Test
  void theJobIsOne() throws Exception {
    V1Job job = read(Files.readString(Path.of("job.yaml")), V1Job.class);

    assertThat(job.getApiVersion()).isEqualTo("batch/v1");
    assertThat(job.getKind()).isEqualTo("Job");
    V1PodSpec pod = job.getSpec().getTemplate().getSpec();
    assertThat(pod.getRestartPolicy()).as("a podFailurePolicy needs it").isEqualTo("Never");
    var onExit = job.getSpec().getPodFailurePolicy().getRules().get(0).getOnExitCodes();
    assertThat(onExit.getContainerName()).isEqualTo(container(pod).getName());
    assertThat(container(pod).getCommand())
        .contains("--oom-exit-code=" + onExit.getValues().get(0));
    assertSound(pod);
  }

  /** What SIGTERM sets going is over before the kubelet's SIGKILL. */
  @Test
  void theServiceHasTimeToEnd() throws Exception {
    V1PodSpec pod = read(deployment(), V1Deployment.class).getSpec().getTemplate().getSpec();
    long preStop = container(pod).getLifecycle().getPreStop().getSleep().getSeconds();
    Duration closing = ReportService.DRAIN.plus(Duration.ofSeconds(5)); // MemoryGuard.close's

    assertThat(pod.getTerminationGracePeriodSeconds())
        .isGreaterThanOrEqualTo(preStop + closing.toSeconds() + 5);
  }

  /**
   * That what the tests above rely on is strict: each of these is one letter from what stands
   * there.
   */
  @ParameterizedTest
  @CsvSource({
    "terminationGracePeriodSeconds:, terminationGracePeriodSecond:",
    "replicas:, replica:",
    "resources:, resource:",
    "limits:, limit:",
    "  sleep:, sleeps:",
    "runAsNonRoot:, runAsNonroot:",
    "sizeLimit:, sizelimit:",
    "failureThreshold:, failureTreshold:",
    "containers:, container:",
    "  selector:, selectors:",
    "- name: reports, - nam: reports",
    "replicas: 2, replicas: two",
  })
  void aMisspeltFieldIsRefused(String right, String wrong) throws Exception {
    assertThat(deployment()).contains(right);

    assertThatThrownBy(() -> read(deployment().replace(right, wrong), V1Deployment.class))
        .isInstanceOfAny(RuntimeException.class, IOException.class);
  }

  @ParameterizedTest
  @CsvSource({"1Gi, 1GiB", "1Gi, 1 Gi", "1Gi, lots", "256Mi, 256MiB", "'\"1\"', one"})
  void aMalformedQuantityIsRefused(String right, String wrong) throws Exception {
    assertThat(deployment()).contains(right);

    assertThatThrownBy(() -> read(deployment().replace(right, wrong), V1Deployment.class))
        .isInstanceOf(QuantityFormatException.class);
  }

  @Test
  void aFieldThatStandsTwiceIsRefused() throws Exception {
    String twice = deployment().replace("  replicas: 2", "  replicas: 2\n  replicas: 3");

    assertThatThrownBy(() -> read(twice, V1Deployment.class)).hasMessageContaining("uplicate");
  }

  /** The image has what the manifests start, and the Dockerfile copies what is built. */
  @Test
  void whatIsStartedIsInTheImage() throws Exception {
    String dockerfile = Files.readString(Path.of("Dockerfile"));
    assertThat(dockerfile)
        .contains(ReportService.class.getName(), "COPY src/main/container/ /app/", "USER 10001:");
    assertThat(Path.of("src/main/container/report.py")).exists();
    assertThat(Path.of("src/main/container/memguard")).isExecutable();
  }

  /** What the documentation shows is a part of a pod: what a whole one needs besides is added. */
  @Test
  void whatTheDocumentationShowsIsKnownToTheApiToo() throws Exception {
    List<ObjectNode> cgroups = shown("kubernetes.md");
    assertThat(read(cgroups.get(0).toString(), V1RuntimeClass.class).getHandler()).isNotEmpty();
    ((ObjectNode) cgroups.get(1).get("spec")).putArray("containers");
    assertThat(read(cgroups.get(1).toString(), V1Pod.class).getSpec().getRuntimeClassName())
        .isEqualTo(cgroups.get(0).at("/metadata/name").asText());

    List<ObjectNode> probes = shown("doctor.md");
    probes.get(0).putArray("containers");
    V1PodSpec pod = read(probes.get(0).toString(), V1PodSpec.class);
    assertThat(bytes(pod.getInitContainers().get(0).getResources().getLimits())).isPositive();
    probes.get(1).put("name", "app");
    V1Container app = read(probes.get(1).toString(), V1Container.class);
    assertThat(app.getStartupProbe().getExec().getCommand()).hasSize(3);
  }

  private static List<ObjectNode> shown(String page) throws IOException {
    String text = Files.readString(Path.of("../../docs").resolve(page));
    List<ObjectNode> all = new ArrayList<>();
    for (MatchResult block :
        Pattern.compile("(?s)```yaml\n(.*?)```").matcher(text).results().toList()) {
      YAML.readerFor(ObjectNode.class)
          .<ObjectNode>readValues(block.group(1))
          .forEachRemaining(all::add);
    }
    assertThat(all).hasSize(2);
    return all;
  }

  private static void assertSound(V1PodSpec pod) {
    var resources = container(pod).getResources();
    assertThat(resources.getLimits()).containsKeys("cpu", "memory");
    assertThat(bytes(resources.getRequests()))
        .as("request")
        .isEqualTo(bytes(resources.getLimits()));
    assertThat(resources.getRequests().get("cpu"))
        .as("Guaranteed")
        .isEqualTo(resources.getLimits().get("cpu"));
    assertThat(pod.getSecurityContext().getRunAsNonRoot()).isTrue();
    assertThat(pod.getVolumes())
        .allSatisfy(volume -> assertThat(volume.getEmptyDir().getMedium()).isNull());
  }

  private static long bytes(Map<String, Quantity> amounts) {
    return amounts.get("memory").getNumber().longValueExact();
  }

  private static V1Container container(V1PodSpec pod) {
    List<V1Container> containers = pod.getContainers();
    assertThat(containers).hasSize(1);
    return containers.get(0);
  }

  private static String deployment() throws IOException {
    return Files.readString(Path.of("deployment.yaml"));
  }

  private static <T> T read(String yaml, Class<T> type) throws IOException {
    JsonNode json = YAML.readTree(yaml);
    new JSON(); // sets up what deserialize uses
    return JSON.deserialize(json.toString(), type);
  }
}
