/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/config_group_frames.h"

#include "raft/bytes.h"
#include "raft/codec.h"

#include <inttypes.h>

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

/* ---- for people ---- */

static void add_command(struct sim_text *text, const struct register_command *c) {
    switch (c->kind) {
    case OPERATION_READ: text_add(text, "read key %" PRIu64, c->key); break;
    case OPERATION_WRITE: text_add(text, "key %" PRIu64 " = %" PRIu64, c->key, c->a); break;
    case OPERATION_COMPARE:
        text_add(text, "key %" PRIu64 " = %" PRIu64 " if %" PRIu64, c->key, c->b, c->a);
        break;
    case OPERATION_ADD: text_add(text, "key %" PRIu64 " + %" PRIu64, c->key, c->a); break;
    case OPERATION_SET_ADD:
        text_add(text, "key %" PRIu64 " gets member %" PRIu64, c->key, c->a);
        break;
    case OPERATION_SET_REMOVE:
        text_add(text, "key %" PRIu64 " loses member %" PRIu64, c->key, c->a);
        break;
    case OPERATION_KIND_END: break;
    }
}

void config_group_describe_configuration(struct sim_text *text,
                                         const struct raft_configuration *configuration) {
    for (uint32_t i = 0; i < configuration->count; i++)
        text_add(text, "%sn%" PRIu64 "%s", i == 0 ? "" : " ", configuration->members[i].id.words[1],
                 configuration->members[i].is_voter ? "" : " (learner)");
}

void config_group_describe_entry(struct sim_text *text, const struct raft_entry *entry) {
    struct register_command command;
    struct raft_configuration configuration;
    text_add(text, "%" PRIu64 ":%" PRIu64 " ", entry->index, entry->term);
    if (entry->type == RAFT_ENTRY_NOOP) {
        text_add(text, "begin of term");
    } else if (entry->type == RAFT_ENTRY_CONFIGURATION &&
               raft_configuration_decode(entry->data, &configuration) == LARDER_OK) {
        text_add(text, "members ");
        config_group_describe_configuration(text, &configuration);
    } else if (entry->type == RAFT_ENTRY_COMMAND &&
               register_command_decode(entry->data, &command) == LARDER_OK) {
        add_command(text, &command);
    } else {
        text_add(text, "?");
    }
}

static void add_append(struct sim_text *text, const struct raft_append *append, uint64_t term) {
    enum { SHOWN = 4 };
    text_add(text,
             append->entry_count == 0 ? "heartbeat of term %" PRIu64 : "append of term %" PRIu64,
             term);
    text_add(text, " behind %" PRIu64 ":%" PRIu64, append->previous_index, append->previous_term);
    for (uint32_t i = 0; i < append->entry_count && i < SHOWN; i++) {
        text_add(text, "%s", i == 0 ? " [" : ", ");
        config_group_describe_entry(text, &append->entries[i]);
    }
    if (append->entry_count > SHOWN)
        text_add(text, ", ... %" PRIu64, append->entries[append->entry_count - 1].index);
    text_add(text, "%s, committed to %" PRIu64, append->entry_count > 0 ? "]" : "", append->commit);
}

static void add_append_reply(struct sim_text *text, const struct raft_append_reply *reply,
                             uint64_t term) {
    text_add(text, "term %" PRIu64 ": ", term);
    if (reply->is_rejected)
        text_add(text, "has not %" PRIu64 ", perhaps %" PRIu64 ":%" PRIu64, reply->previous_index,
                 reply->hint_index, reply->hint_term);
    else
        text_add(text, "has up to %" PRIu64 ", durable up to %" PRIu64, reply->held,
                 reply->durable);
    if (reply->is_stalled)
        text_add(text, ", can't store now");
}

static void add_message(struct sim_text *text, const struct raft_message *m) {
    switch (m->type) {
    case RAFT_PRE_VOTE:
    case RAFT_VOTE:
        text_add(text,
                 "n%" PRIu64 " asks for %s in term %" PRIu64 ", its log ends %" PRIu64 ":%" PRIu64
                 "%s",
                 m->from.words[1], m->type == RAFT_VOTE ? "a vote" : "a promise to vote", m->term,
                 m->vote.last_index, m->vote.last_term,
                 m->vote.is_transfer ? ", the leader wants it" : "");
        break;
    case RAFT_PRE_VOTE_REPLY:
    case RAFT_VOTE_REPLY:
        text_add(text, "%s%s n%" PRIu64 " in term %" PRIu64, m->vote_reply.is_granted ? "" : "no ",
                 m->type == RAFT_VOTE_REPLY ? "vote for" : "promise to vote for", m->to.words[1],
                 m->term);
        break;
    case RAFT_APPEND: add_append(text, &m->append, m->term); break;
    case RAFT_APPEND_REPLY: add_append_reply(text, &m->append_reply, m->term); break;
    case RAFT_SNAPSHOT:
        text_add(text,
                 "snapshot of term %" PRIu64 ": up to %" PRIu64 ":%" PRIu64 ", bytes %" PRIu64
                 " to %" PRIu64 " of %" PRIu64,
                 m->term, m->snapshot.snapshot.index, m->snapshot.snapshot.term, m->snapshot.offset,
                 m->snapshot.offset + m->snapshot.data.size, m->snapshot.snapshot.size);
        break;
    case RAFT_SNAPSHOT_REPLY:
        text_add(text, "term %" PRIu64 ": has %" PRIu64 " bytes of the snapshot up to %" PRIu64,
                 m->term, m->snapshot_reply.offset, m->snapshot_reply.snapshot.index);
        break;
    case RAFT_TIMEOUT_NOW: text_add(text, "lead from term %" PRIu64 " on", m->term + 1); break;
    }
}

static void add_reply(struct sim_text *text, const struct config_group_reply *reply) {
    text_add(text, "reply to #%" PRIu64 ": ", reply->number);
    if (reply->answer == ANSWER_OK)
        text_add(text, "%s, value %" PRIu64, reply->result.is_done ? "done" : "not done",
                 reply->result.value);
    else
        text_add(text, reply->answer == ANSWER_NOT_LEADER ? "refused, not the leader" : "failed");
    if (reply->answer == ANSWER_NOT_LEADER && reply->leader != UINT32_MAX)
        text_add(text, ": that is %" PRIu32, reply->leader);
}

void config_group_describe_frame(struct slice frame, char *out, size_t size) {
    struct raft_entry entries[RAFT_APPEND_ENTRIES_MAX];
    struct raft_message message;
    struct register_command command;
    struct config_group_reply reply;
    struct sim_text text = text_of(out, size);
    struct slice body = slice_of(frame.data + 1, frame.size - 1);
    if (frame.data[0] == FRAME_CONSENSUS &&
        raft_message_decode(body, entries, &message) == LARDER_OK) {
        add_message(&text, &message);
    } else if (frame.data[0] == FRAME_REQUEST &&
               register_command_decode(body, &command) == LARDER_OK) {
        text_add(&text, "request #%" PRIu64 ": ", command.number);
        add_command(&text, &command);
    } else if (config_group_reply_decode(frame, &reply) == LARDER_OK &&
               reply.answer <= ANSWER_FAILED) {
        add_reply(&text, &reply);
    } else {
        text_add(&text, "%zu damaged bytes", frame.size);
    }
}
