/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/config_group_frames.h"

#include "raft/bytes.h"
#include "raft/codec.h"

#include <inttypes.h>
#include <stdio.h>

void config_group_request_encode(const struct register_command *command,
                                 uint8_t out[CONFIG_GROUP_REQUEST_BYTES]) {
    out[0] = FRAME_REQUEST;
    register_command_encode(command, out + 1);
}

void config_group_reply_encode(const struct config_group_reply *reply,
                               uint8_t out[CONFIG_GROUP_REPLY_BYTES]) {
    struct byte_writer writer = {out};
    write_unsigned(&writer, FRAME_REPLY, 1);
    write_unsigned(&writer, reply->number, 8);
    write_unsigned(&writer, reply->answer, 1);
    write_unsigned(&writer, reply->result.is_done, 1);
    write_unsigned(&writer, reply->result.value, 8);
    write_unsigned(&writer, reply->leader, 4);
}

enum larder_status config_group_reply_decode(struct slice frame, struct config_group_reply *out) {
    struct byte_reader reader = byte_reader_of(frame);
    uint64_t type = read_unsigned(&reader, 1);
    out->number = read_unsigned(&reader, 8);
    out->answer = (enum config_group_answer)read_unsigned(&reader, 1);
    out->result.is_done = read_flag(&reader);
    out->result.value = read_unsigned(&reader, 8);
    out->leader = (uint32_t)read_unsigned(&reader, 4);
    bool is_good = !reader.is_failed && reader.left == 0 && type == FRAME_REPLY;
    return is_good ? LARDER_OK : LARDER_CORRUPT;
}

static void describe_message(const struct raft_message *m, char *out, size_t size) {
    static const char *const NAMES[] = {
        "?",      "pre-vote",     "pre-vote reply", "vote",           "vote reply",
        "append", "append reply", "snapshot",       "snapshot reply", "timeout now"};
    int used = snprintf(out, size, "%s term %" PRIu64, NAMES[m->type], m->term);
    if (used < 0 || (size_t)used >= size)
        return;
    out += used;
    size -= (size_t)used;
    switch (m->type) {
    case RAFT_PRE_VOTE:
    case RAFT_VOTE:
        snprintf(out, size, " log ends %" PRIu64 ":%" PRIu64, m->vote.last_index,
                 m->vote.last_term);
        break;
    case RAFT_PRE_VOTE_REPLY:
    case RAFT_VOTE_REPLY:
        snprintf(out, size, m->vote_reply.is_granted ? " granted" : " refused");
        break;
    case RAFT_APPEND:
        snprintf(out, size, " after %" PRIu64 ":%" PRIu64 " entries %" PRIu32 " commit %" PRIu64,
                 m->append.previous_index, m->append.previous_term, m->append.entry_count,
                 m->append.commit);
        break;
    case RAFT_APPEND_REPLY:
        snprintf(out, size, "%s%s held %" PRIu64 " durable %" PRIu64,
                 m->append_reply.is_rejected ? " rejected" : "",
                 m->append_reply.is_stalled ? " stalled" : "", m->append_reply.held,
                 m->append_reply.durable);
        break;
    case RAFT_SNAPSHOT:
        snprintf(out, size, " of %" PRIu64 " at %" PRIu64, m->snapshot.snapshot.index,
                 m->snapshot.offset);
        break;
    case RAFT_SNAPSHOT_REPLY:
        snprintf(out, size, " of %" PRIu64 " at %" PRIu64, m->snapshot_reply.snapshot.index,
                 m->snapshot_reply.offset);
        break;
    case RAFT_TIMEOUT_NOW: break;
    }
}

void config_group_describe_frame(struct slice frame, char *out, size_t size) {
    static const char *const KINDS[] = {"?",   "read",    "write",     "compare",
                                        "add", "set add", "set remove"};
    static const char *const ANSWERS[] = {"?", "ok", "not the leader", "failed"};
    struct raft_entry entries[RAFT_APPEND_ENTRIES_MAX];
    struct raft_message message;
    struct register_command command;
    struct config_group_reply reply;
    struct slice body = slice_of(frame.data + 1, frame.size - 1);
    if (frame.data[0] == FRAME_CONSENSUS &&
        raft_message_decode(body, entries, &message) == LARDER_OK)
        describe_message(&message, out, size);
    else if (frame.data[0] == FRAME_REQUEST && register_command_decode(body, &command) == LARDER_OK)
        snprintf(out, size, "request %" PRIu64 ": %s key %" PRIu64 " %" PRIu64 " %" PRIu64,
                 command.number, KINDS[command.kind], command.key, command.a, command.b);
    else if (config_group_reply_decode(frame, &reply) == LARDER_OK && reply.answer <= 3)
        snprintf(out, size, "reply %" PRIu64 ": %s %s value %" PRIu64, reply.number,
                 ANSWERS[reply.answer], reply.result.is_done ? "done" : "not done",
                 reply.result.value);
    else
        snprintf(out, size, "%zu damaged bytes", frame.size);
}
