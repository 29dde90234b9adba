/* A slot of the memory that a witness writes into, as who reads it sees it: witness_slot.c has what it means. */
#ifndef MEMGUARD_WITNESS_PAGE_H
#define MEMGUARD_WITNESS_PAGE_H

#include <stdatomic.h>
#include <stdint.h>

#define RECORDS 15

struct record {
  _Atomic uint32_t pid, programs;
  char name[16];
  _Atomic uint32_t refusals, threads, spawns, version;
  _Atomic uint64_t largest, bytes;
  _Atomic uint32_t tid;
  _Atomic uint16_t kind, error;
  _Atomic uint64_t at, data, address, rss, peak, data_limit, address_limit, read_at;
};

struct slot {
  _Atomic uint32_t generation, attached;
  _Atomic uint64_t refusals, largest, began;
  _Atomic uint32_t without_room, question, answer, unused[21];
  struct record records[RECORDS];
};

#endif
