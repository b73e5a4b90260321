/* SPDX-License-Identifier: BSD-3-Clause */
/* What goes on in one partition, step by step: each entry of the config group that changes it, and
 * the first frame of each kind that its replicas, or members about the configuration, send each
 * other. For scripts that make a fault at each of them in turn. */
#ifndef LARDER_TESTS_SIM_SCRIPT_STEPS_H
#define LARDER_TESTS_SIM_SCRIPT_STEPS_H

#include "sim/cluster_script.h"

struct script_steps {
    struct scenario *scenario;
    uint64_t key;
    uint32_t wanted, seen;
    uint64_t frames; /* a bit for each kind that was seen */
    uint64_t epoch;
    bool is_done; /* the fault was made */
    void (*fault)(void *context);
    void *context;
};

/* `fault` is called once, at the step of this number from now on, before the frame arrives; the
 * entry has been applied by one member. Borrows `steps` until it ends. */
void script_steps_begin(struct script_steps *steps, struct scenario *scenario, uint64_t key,
                        uint32_t wanted, void (*fault)(void *context), void *context);
void script_steps_end(struct script_steps *steps);

/* Kinds of frames; 0: none of these. */
enum {
    STEP_FRAME_REPLICA = 16, /* + enum replica_message_type */
    STEP_FRAME_COPYING = 32, /* + enum copying_message_type */
    STEP_FRAME_END = 64,
};
/* Of the event; of partitions only this one. The rest are of enum member_frame_type. */
uint32_t script_frame_kind(const struct sim_event *event, uint32_t partition);
/* Whether the name of the key stands in it. */
bool script_frame_names(const struct sim_event *event, uint64_t key);

#endif
