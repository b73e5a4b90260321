/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames of config_group.h as bytes and as text. */
#ifndef LARDER_TESTS_SIM_CONFIG_GROUP_FRAMES_H
#define LARDER_TESTS_SIM_CONFIG_GROUP_FRAMES_H

#include "sim/config_group.h"
#include "sim/text.h"

enum { FRAME_REQUEST = 'Q', FRAME_REPLY = 'R', FRAME_CONSENSUS = 'M' };

static const struct raft_id CONFIG_GROUP_CLUSTER = {{0x636c7573746572, 1}};

void config_group_reply_encode(const struct config_group_reply *reply,
                               uint8_t out[CONFIG_GROUP_REPLY_BYTES]);
void config_group_describe_entry(struct sim_text *text, const struct raft_entry *entry);
void config_group_describe_configuration(struct sim_text *text,
                                         const struct raft_configuration *configuration);
void config_group_describe_frame(struct slice frame, char *out, size_t size);

#endif
