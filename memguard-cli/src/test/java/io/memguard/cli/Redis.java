package io.memguard.cli;

import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;

/** A real Redis, on a socket in a directory of the test's, and nothing written to disk. */
final class Redis implements AutoCloseable {
  private final Path socket;
  private final Process server;

  Redis(Path directory) throws Exception {
    socket = directory.resolve("redis.sock");
    server =
        new ProcessBuilder(
                "redis-server", "--port", "0", "--unixsocket", socket.toString(), "--save", "")
            .directory(directory.toFile())
            .redirectErrorStream(true)
            .redirectOutput(directory.resolve("redis.log").toFile())
            .start();
    Waiting.until("redis-server answers", this::answers);
  }

  private boolean answers() {
    try (SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX)) {
      channel.connect(UnixDomainSocketAddress.of(socket));
      channel.write(ByteBuffer.wrap("PING\r\n".getBytes(StandardCharsets.US_ASCII)));
      return channel.read(ByteBuffer.allocate(64)) > 0;
    } catch (IOException notYet) {
      return false;
    }
  }

  Path socket() {
    return socket;
  }

  @Override
  public void close() {
    server.destroyForcibly();
    Waiting.untilGone(server);
  }
}
