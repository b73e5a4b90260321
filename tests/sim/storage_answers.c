/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/storage_answers.h"

#include "sim/world.h"

#include <stdlib.h>

enum { QUEUE_MAX = 4096 };

void storage_answers_add(struct storage_answers *answers, const struct raft_input *input) {
    if (answers->count == QUEUE_MAX) {
        machine_violate(answers->storage->machine,
                        "more answers from the storage than were asked for");
        return;
    }
    if (answers->count == answers->capacity) {
        answers->capacity = answers->capacity == 0 ? 16 : 2 * answers->capacity;
        answers->queue = sim_resize(answers->queue, answers->capacity * sizeof(*answers->queue));
    }
    struct queued_answer *queued = &answers->queue[answers->count++];
    *queued = (struct queued_answer){.input = *input};
    if (input->type != RAFT_SNAPSHOT_DATA)
        return;
    size_t size = input->snapshot_data.data.size;
    queued->bytes = sim_resize(NULL, size + 1);
    if (size > 0)
        memcpy(queued->bytes, input->snapshot_data.data.data, size);
    queued->input.snapshot_data.data.data = queued->bytes;
}

static enum larder_status give(struct storage_answers *answers, struct raft_input *input) {
    if (input->type == RAFT_PERSISTED)
        raft_oracle_persisted(answers->oracle, answers->number, input->persisted.number);
    if (input->type == RAFT_PERSIST_FAILED)
        raft_oracle_persist_failed(answers->oracle, answers->number, input->failed_number);
    return answers->step(answers->owner, input);
}

/* A step may add answers: the queue may move. */
void storage_answers_give(struct storage_answers *answers) {
    if (answers->is_giving || answers->count == 0)
        return;
    answers->is_giving = true;
    size_t done = 0;
    while (done < answers->count) {
        struct queued_answer queued = answers->queue[done];
        bool is_offered = queued.input.type == RAFT_SNAPSHOT_TAKEN;
        if (!is_offered && give(answers, &queued.input) == LARDER_BUSY)
            break;
        free(queued.bytes);
        done++;
    }
    answers->count -= done;
    if (done > 0 && answers->count > 0)
        memmove(answers->queue, answers->queue + done, answers->count * sizeof(*answers->queue));
    answers->is_giving = false;
}

void storage_answers_offer_snapshot(struct storage_answers *answers) {
    struct raft_storage *storage = answers->storage;
    if (storage->taken_file < 0)
        return;
    const struct raft_snapshot taken = storage->taken.snapshot;
    struct raft_input input = {.type = RAFT_SNAPSHOT_TAKEN,
                               .snapshot_taken = {taken, storage->taken.keep_from}};
    enum larder_status status = give(answers, &input);
    if (status == LARDER_BUSY)
        return;
    if (status == LARDER_OK)
        raft_oracle_snapshot(answers->oracle, answers->number, taken.index);
    raft_storage_end_taking(storage, status == LARDER_OK);
}

void storage_answers_free(struct storage_answers *answers) {
    for (size_t i = 0; i < answers->count; i++)
        free(answers->queue[i].bytes);
    free(answers->queue);
}
