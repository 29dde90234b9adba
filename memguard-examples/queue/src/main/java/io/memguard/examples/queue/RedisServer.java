package io.memguard.examples.queue;

import io.memguard.GuardedProcess;
import io.memguard.MemoryGuard;
import io.memguard.limits.LaunchOptions;
import io.memguard.limits.MemoryLimits;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import redis.clients.jedis.Jedis;
import redis.clients.jedis.exceptions.JedisException;

/**
 * A Redis server of our own, on a free port of this machine, which keeps what it acknowledges in a
 * directory. It ends with this JVM, however that ends.
 */
final class RedisServer implements AutoCloseable {
  private static final Duration TO_START = Duration.ofMinutes(1);

  private final MemoryGuard guard;
  private final Path directory;
  private final int port;
  private GuardedProcess process;

  RedisServer(MemoryGuard guard, Path directory) throws IOException, InterruptedException {
    this.guard = guard;
    this.directory = directory;
    this.port = freePort();
    this.process = start();
  }

  URI uri() {
    return URI.create("redis://127.0.0.1:" + port);
  }

  /** Kills it, and starts it again with what it had acknowledged. */
  void restart() throws IOException, InterruptedException {
    process.destroyForcibly().waitFor();
    process = start();
  }

  private GuardedProcess start() throws IOException, InterruptedException {
    Path log = directory.resolve("redis.log");
    GuardedProcess server =
        guard.start(
            new ProcessBuilder(
                    "redis-server",
                    "--port",
                    Integer.toString(port),
                    "--bind",
                    "127.0.0.1",
                    "--dir",
                    directory.toString(),
                    "--save",
                    "",
                    "--appendonly",
                    "yes",
                    "--appendfsync",
                    "always")
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile())),
            MemoryLimits.none(),
            LaunchOptions.defaults().withDieWithParent(true));
    long deadline = System.nanoTime() + TO_START.toNanos();
    while (!answers()) {
      if (server.waitFor(50, TimeUnit.MILLISECONDS) || System.nanoTime() > deadline) {
        server.destroyForcibly();
        throw new IOException("redis-server does not answer: " + Files.readString(log));
      }
    }
    return server;
  }

  private boolean answers() {
    try (Jedis connection = new Jedis("127.0.0.1", port)) {
      return connection.ping().equals("PONG");
    } catch (JedisException e) {
      return false;
    }
  }

  private static int freePort() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
      return socket.getLocalPort();
    }
  }

  @Override
  public void close() {
    var unused = process.destroyTree(Duration.ofSeconds(5)).join();
  }
}
