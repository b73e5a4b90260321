/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/script_steps.h"

#include "cluster/member_frames.h"
#include "sim/cluster_protocol.h"

uint32_t script_frame_kind(const struct sim_event *event, uint32_t partition) {
    struct member_frame frame;
    if (event->type != SIM_EVENT_FRAME || event->size < 2 || event->bytes[0] != 'M' ||
        member_frame_decode(slice_of(event->bytes + 1, event->size - 1), &frame) != LARDER_OK)
        return 0;
    switch (frame.type) {
    case FRAME_CONSENSUS:
    case FRAME_PROPOSE:
    case FRAME_FETCH:
    case FRAME_ENTRIES:
    case FRAME_SNAPSHOT:
    case FRAME_HAND_OFF: return frame.type;
    case FRAME_PARTITION: return cluster_data_frame_kind(frame.body, partition);
    default: return 0;
    }
}

bool script_frame_names(const struct sim_event *event, uint64_t key) {
    uint8_t name[INT64_TEXT_MAX + 1];
    size_t size = cluster_key_name(key, name);
    for (size_t at = 0; at + size <= event->size; at++)
        if (memcmp(event->bytes + at, name, size) == 0)
            return true;
    return false;
}

static bool is_new_step(struct script_steps *steps, const struct sim_event *event) {
    uint64_t epoch = script_config_of(steps->scenario, steps->key)->epoch;
    if (epoch > steps->epoch) {
        steps->epoch = epoch;
        return true;
    }
    uint64_t bit =
        (uint64_t)1 << script_frame_kind(event, script_partition_of(steps->scenario, steps->key));
    if (bit == 1 || (steps->frames & bit) != 0)
        return false;
    steps->frames |= bit;
    return true;
}

/* Before each event of the world. */
static bool look(void *context) {
    struct script_steps *steps = context;
    struct sim_world *world = steps->scenario->world;
    if (steps->is_done || world->violation != NULL || !is_new_step(steps, &world->events[0]) ||
        steps->seen++ != steps->wanted)
        return false;
    steps->is_done = true;
    world->now_us = world->events[0].time_us;
    steps->fault(steps->context);
    return true;
}

void script_steps_begin(struct script_steps *steps, struct scenario *s, uint64_t key,
                        uint32_t wanted, void (*fault)(void *context), void *context) {
    *steps = (struct script_steps){.scenario = s,
                                   .key = key,
                                   .wanted = wanted,
                                   .epoch = script_config_of(s, key)->epoch,
                                   .fault = fault,
                                   .context = context};
    s->world->before_event = look;
    s->world->before_event_context = steps;
}

void script_steps_end(struct script_steps *steps) {
    steps->scenario->world->before_event = NULL;
}
