package io.memguard.examples.queue;

import java.net.URI;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import redis.clients.jedis.ConnectionPoolConfig;
import redis.clients.jedis.DefaultJedisClientConfig;
import redis.clients.jedis.HostAndPort;
import redis.clients.jedis.RedisClient;
import redis.clients.jedis.StreamEntryID;
import redis.clients.jedis.exceptions.JedisDataException;
import redis.clients.jedis.exceptions.JedisException;
import redis.clients.jedis.executors.RetryableCommandExecutor;
import redis.clients.jedis.params.XAutoClaimParams;
import redis.clients.jedis.params.XPendingParams;
import redis.clients.jedis.params.XReadGroupParams;
import redis.clients.jedis.providers.PooledConnectionProvider;
import redis.clients.jedis.resps.StreamConsumerInfo;
import redis.clients.jedis.resps.StreamEntry;
import redis.clients.jedis.resps.StreamPendingEntry;
import redis.clients.jedis.util.JedisURIHelper;

/**
 * The queue in Redis: a stream of jobs with one consumer group, a hash of results by job, a stream
 * of dead letters, a hash of counts. A message is in the stream until one script settles it.
 *
 * <p>When the connection breaks, commands are sent again for up to half a minute. What throws after
 * that is a {@link JedisException}, and may be done once more.
 *
 * <p>Safe to share between threads.
 */
final class JobQueue implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(JobQueue.class);

  /** Longer than {@link #take} blocks: a server that is gone without a word is noticed. */
  private static final Duration SILENCE = Duration.ofSeconds(5);

  private static final Duration BLOCK = Duration.ofSeconds(1);
  private static final Duration PATIENCE = Duration.ofSeconds(30);
  private static final int ATTEMPTS = 60;
  private static final String GROUP = "consumers";
  private static final StreamEntryID FIRST = new StreamEntryID(0, 0);

  // In braces: a cluster keeps them on one node, and a script may use them together.
  private static final String STREAM = "{jobs}:stream";
  private static final String RESULTS = "{jobs}:results";
  private static final String DEAD = "{jobs}:dead";
  private static final String COUNTS = "{jobs}:counts";
  private static final String SUBMITTED = "{jobs}:submitted";

  private final RedisClient redis;

  /** Where the search for abandoned messages goes on; a single search does not see all of them. */
  private volatile StreamEntryID searched = FIRST;

  /**
   * Opens the queue, and makes it if it is not there.
   *
   * @param server for example {@code redis://localhost:6379}
   */
  JobQueue(URI server) {
    ConnectionPoolConfig pool = new ConnectionPoolConfig();
    pool.setMaxTotal(64);
    PooledConnectionProvider connections =
        new PooledConnectionProvider(
            new HostAndPort(server.getHost(), server.getPort()),
            DefaultJedisClientConfig.builder()
                .user(JedisURIHelper.getUser(server))
                .password(JedisURIHelper.getPassword(server))
                .socketTimeoutMillis((int) SILENCE.toMillis())
                .blockingSocketTimeoutMillis((int) SILENCE.toMillis())
                .build(),
            pool);
    redis =
        RedisClient.builder()
            .connectionProvider(connections)
            .commandExecutor(new RetryableCommandExecutor(connections, ATTEMPTS, PATIENCE))
            .build();
    try {
      redis.xgroupCreate(STREAM, GROUP, FIRST, true); // from the first message on
    } catch (JedisDataException e) {
      if (!String.valueOf(e.getMessage()).startsWith("BUSYGROUP")) {
        throw e;
      }
    }
  }

  /**
   * Adds a job, unless one of that id was added before.
   *
   * @return false if it was
   */
  boolean submit(Job job) {
    return did(Scripts.SUBMIT, List.of(SUBMITTED, STREAM), with(List.of(job.id()), job.toFields()));
  }

  /**
   * Takes a message for a consumer: one that nobody has had, or waits a second for that.
   *
   * @return the message, which is the consumer's until it is settled or taken from it
   */
  Optional<Message> take(String consumer) {
    List<Map.Entry<String, List<StreamEntry>>> read =
        redis.xreadGroup(
            GROUP,
            consumer,
            XReadGroupParams.xReadGroupParams().count(1).block((int) BLOCK.toMillis()),
            Map.of(STREAM, StreamEntryID.XREADGROUP_UNDELIVERED_ENTRY));
    return read == null
        ? Optional.empty()
        : read.stream()
            .flatMap(stream -> stream.getValue().stream())
            .findFirst()
            .map(entry -> new Message(entry.getID().toString(), entry.getFields(), 1));
  }

  /**
   * Takes a message from a consumer that has shown no sign of life for a while.
   *
   * @return one of them, if there is any in the next part of the pending ones
   */
  Optional<Message> takeAbandoned(String consumer, Duration minIdle) {
    Map.Entry<StreamEntryID, List<StreamEntry>> found =
        redis.xautoclaim(
            STREAM,
            GROUP,
            consumer,
            minIdle.toMillis(),
            searched,
            XAutoClaimParams.xAutoClaimParams().count(1));
    searched = found.getKey();
    Optional<Message> message =
        found.getValue().stream()
            .findFirst()
            .map(
                entry ->
                    new Message(
                        entry.getID().toString(), entry.getFields(), deliveries(entry.getID())));
    message.ifPresent(m -> count("redelivered"));
    return message;
  }

  private long deliveries(StreamEntryID id) {
    return redis.xpending(STREAM, GROUP, new XPendingParams(id, id, 1)).stream()
        .mapToLong(StreamPendingEntry::getDeliveredTimes)
        .findFirst()
        .orElse(1);
  }

  /**
   * Acknowledges a message together with what becomes of it.
   *
   * @return false if it was settled before
   */
  boolean settle(Message message, Verdict verdict) {
    if (verdict instanceof Verdict.Done done) {
      return did(
          Scripts.COMPLETE,
          List.of(STREAM, RESULTS, COUNTS),
          List.of(GROUP, message.id(), done.job(), done.result()));
    }
    if (verdict instanceof Verdict.Again again) {
      return move(message, STREAM, again.why(), again.fields());
    }
    Verdict.Dead dead = (Verdict.Dead) verdict;
    Map<String, String> fields = new HashMap<>(dead.fields());
    fields.put("cause", dead.cause());
    fields.put("explanation", dead.explanation());
    return move(message, DEAD, "dead", fields);
  }

  private boolean move(Message message, String to, String why, Map<String, String> fields) {
    return did(
        Scripts.MOVE, List.of(STREAM, to, COUNTS), with(List.of(GROUP, message.id(), why), fields));
  }

  /**
   * Says that a consumer is still at work on messages.
   *
   * @return those that have been taken from it, or were settled
   */
  Set<String> renew(String consumer, Set<String> messages) {
    List<String> arguments = new ArrayList<>(List.of(GROUP, consumer));
    arguments.addAll(messages);
    List<?> lost = (List<?>) redis.eval(Scripts.RENEW, List.of(STREAM), arguments);
    return lost.stream().map(String::valueOf).collect(Collectors.toSet());
  }

  /**
   * Removes a consumer that holds no message.
   *
   * @return false if it holds one
   */
  boolean leave(String consumer) {
    return did(Scripts.LEAVE, List.of(STREAM), List.of(GROUP, consumer));
  }

  /** Counts something that may be counted once too often or too seldom. */
  void count(String what) {
    try {
      redis.hincrBy(COUNTS, what, 1);
    } catch (JedisException e) {
      LOG.warn("not counted: {}: {}", what, e.getMessage()); // no reason to let go of a message
    }
  }

  /** Returns how often things happened, by name. */
  Map<String, String> counts() {
    return redis.hgetAll(COUNTS);
  }

  /** Returns what jobs printed, by job. */
  Map<String, String> results() {
    return redis.hgetAll(RESULTS);
  }

  /** Returns the fields of the dead letters, oldest first. */
  List<Map<String, String>> dead() {
    return redis.xrange(DEAD, "-", "+").stream().map(StreamEntry::getFields).toList();
  }

  /** Returns how many messages are not settled, and how many of those a consumer has. */
  Backlog backlog() {
    Map<String, Long> held = redis.xpending(STREAM, GROUP).getConsumerMessageCount();
    return new Backlog(redis.xlen(STREAM), held == null ? Map.of() : held);
  }

  /**
   * What is not settled.
   *
   * @param messages how many, in all
   * @param held how many each consumer has
   */
  record Backlog(long messages, Map<String, Long> held) {
    long inWork() {
      return held.values().stream().mapToLong(Long::longValue).sum();
    }
  }

  /** Returns the consumers that Redis knows. */
  Set<String> consumers() {
    return redis.xinfoConsumers2(STREAM, GROUP).stream()
        .map(StreamConsumerInfo::getName)
        .collect(Collectors.toCollection(TreeSet::new));
  }

  private boolean did(String script, List<String> keys, List<String> arguments) {
    return Long.valueOf(1).equals(redis.eval(script, keys, arguments));
  }

  private static List<String> with(List<String> first, Map<String, String> fields) {
    List<String> all = new ArrayList<>(first);
    fields.forEach(
        (name, value) -> {
          all.add(name);
          all.add(value);
        });
    return all;
  }

  @Override
  public void close() {
    redis.close();
  }
}
