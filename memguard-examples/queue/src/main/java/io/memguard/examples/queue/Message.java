package io.memguard.examples.queue;

import java.util.Map;

/**
 * A message as a consumer holds it.
 *
 * @param id the stream's name for it
 * @param fields what it says
 * @param deliveries how often it was handed to a consumer, this time included
 */
record Message(String id, Map<String, String> fields, long deliveries) {}
