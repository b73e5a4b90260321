/* SPDX-License-Identifier: BSD-3-Clause */
/* What a process's storage has to say to its consensus core: queued while the core is in a step,
 * then given in order, and seen by the oracle of the core. What finds no memory is given again
 * later. */
#ifndef LARDER_TESTS_SIM_STORAGE_ANSWERS_H
#define LARDER_TESTS_SIM_STORAGE_ANSWERS_H

#include "sim/raft_oracle.h"
#include "sim/raft_storage.h"

struct queued_answer {
    struct raft_input input;
    uint8_t *bytes; /* owned: of SNAPSHOT_DATA */
};

struct storage_answers {
    struct raft_storage *storage;
    struct raft_oracle *oracle;
    uint64_t number; /* of the node for the oracle */
    /* One step of the core with its output used up; BUSY: nothing happened. */
    enum larder_status (*step)(void *owner, struct raft_input *input);
    void *owner;
    struct queued_answer *queue;
    size_t count, capacity;
    bool is_giving;
};

/* Bytes of the input are copied. */
void storage_answers_add(struct storage_answers *answers, const struct raft_input *input);
/* Once the core is there, and not from inside a step. */
void storage_answers_give(struct storage_answers *answers);
/* With every tick: a snapshot that was taken is offered until the core, which may be busy sending
 * the one before it, accepts it. */
void storage_answers_offer_snapshot(struct storage_answers *answers);
void storage_answers_free(struct storage_answers *answers);

#endif
