/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks that a set of transactions could have run one after the other. Each appended its own
 * number to some registers and read some; a register's final value tells the order of its writers,
 * and a read tells between which of them it stands. The dependencies (write before write, write
 * before read, read before the next write) must have no cycle. The idea of Elle's list-append
 * histories (Kingsbury, Alvaro 2020). */
#ifndef LARDER_TESTS_SERIALIZABILITY_H
#define LARDER_TESTS_SERIALIZABILITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One operation of a transaction. */
struct history_operation {
    uint32_t transaction; /* its number; 0 is nobody */
    uint32_t key;
    bool is_read;
    uint32_t seen; /* of a read: how many numbers stood in the register */
    uint32_t last; /* of a read: the last of them, 0 when there was none */
};

struct history {
    const struct history_operation *operations;
    size_t count;
    uint32_t transaction_count; /* numbers are 1 to transaction_count */
    uint32_t key_count;
    const uint32_t *const *registers; /* final content of each key */
    const size_t *lengths;
};

/* True when the history is serializable; else `out_reason` (static text) says what is wrong. */
bool history_is_serializable(const struct history *history, const char **out_reason);

#endif
