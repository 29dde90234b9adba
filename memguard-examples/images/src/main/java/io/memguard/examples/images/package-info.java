/**
 * Thumbnails of thousands of pictures, made by a pool of Python workers. Some pictures need more
 * memory than a usual worker has, and some more than anybody has.
 */
package io.memguard.examples.images;
