/* SPDX-License-Identifier: BSD-3-Clause */
/* The state machine that the config group replicates in the simulator: registers, counters and
 * sets of small numbers, all in one 64-bit value per key. Keys are numbers that only grow in use: a
 * key's place is taken by a later key, after which the old one refuses everything. */
#ifndef LARDER_TESTS_SIM_REGISTERS_H
#define LARDER_TESTS_SIM_REGISTERS_H

#include "sim/linearizability.h"

enum { REGISTER_PLACES = 64, REGISTERS_IMAGE_BYTES = REGISTER_PLACES * 16 };

struct registers {
    struct {
        uint64_t key;
        uint64_t value;
    } places[REGISTER_PLACES];
};

enum register_read { REGISTER_READ_LEASE, REGISTER_READ_STALE, REGISTER_READ_ROUND };

struct register_command {
    uint64_t client; /* with `number` it names the operation */
    uint64_t number;
    uint64_t key;
    enum operation_kind kind;
    uint64_t a, b;
    /* only for those who understand it; not encoded here */
    enum register_read read;
    uint32_t ttl_ms;       /* WRITE: the value goes by itself after that; 0: it stays */
    uint64_t watched_term; /* only in that term; 0: in any */
    bool is_again;         /* it was sent before under its number */
};

enum { REGISTER_COMMAND_BYTES = 41 };

void register_command_encode(const struct register_command *command,
                             uint8_t out[REGISTER_COMMAND_BYTES]);
/* Errors: LARDER_CORRUPT. */
LARDER_NODISCARD
enum larder_status register_command_decode(struct slice bytes, struct register_command *out);

/* Errors: LARDER_NOT_FOUND (the key's place was taken; nothing changed). */
LARDER_NODISCARD
enum larder_status registers_apply(struct registers *registers,
                                   const struct register_command *command,
                                   struct operation_result *out);

void registers_encode(const struct registers *registers, uint8_t *out);
void registers_decode(struct registers *registers, const uint8_t *bytes);

#endif
