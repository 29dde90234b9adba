package io.memguard.examples.queue;

/**
 * The steps that must not be taken by half, in Redis' own language: a script runs as a whole or not
 * at all, and no other command runs between its lines. Each may be sent again when its answer was
 * lost: the first line sees that it was done.
 *
 * <p>They are sent as text and not by digest, since a Redis that was restarted knows no digests.
 */
final class Scripts {
  /** KEYS ids, stream; ARGV job, then its fields. Answers 0 if the job was added before. */
  static final String SUBMIT =
      """
      if redis.call('SADD', KEYS[1], ARGV[1]) == 0 then return 0 end
      redis.call('XADD', KEYS[2], '*', unpack(ARGV, 2))
      return 1
      """;

  /**
   * KEYS stream, results, counts; ARGV group, message, job, result. Answers 0 if the message was
   * settled before, by another consumer or by this one. A result stays as it was first written.
   */
  static final String COMPLETE =
      """
      if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
      redis.call('XDEL', KEYS[1], ARGV[2])
      if redis.call('HSETNX', KEYS[2], ARGV[3], ARGV[4]) == 0 then
        redis.call('HINCRBY', KEYS[3], 'done again', 1)
      end
      return 1
      """;

  /**
   * KEYS stream, destination, counts; ARGV group, message, what is counted, then the new message's
   * fields. The destination is the same stream for another attempt, or that of the dead letters.
   */
  static final String MOVE =
      """
      if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
      redis.call('XDEL', KEYS[1], ARGV[2])
      redis.call('XADD', KEYS[2], '*', unpack(ARGV, 4))
      redis.call('HINCRBY', KEYS[3], ARGV[3], 1)
      return 1
      """;

  /**
   * KEYS stream; ARGV group, consumer, then messages. Says of each that the consumer is still at
   * it, without counting a delivery, and answers those that are no longer its own.
   */
  static final String RENEW =
      """
      local lost = {}
      for i = 3, #ARGV do
        local pending = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1)[1]
        if pending and pending[2] == ARGV[2] then
          redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'JUSTID')
        else
          table.insert(lost, ARGV[i])
        end
      end
      return lost
      """;

  /**
   * KEYS stream; ARGV group, consumer. A consumer that is removed takes what it holds with it, so
   * only one that holds nothing is.
   */
  static final String LEAVE =
      """
      if #redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1, ARGV[2]) > 0 then return 0 end
      redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], ARGV[2])
      return 1
      """;

  private Scripts() {}
}
