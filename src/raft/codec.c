/* SPDX-License-Identifier: BSD-3-Clause */
/* Entries, configurations and messages as bytes. A message's checksum covers everything before it;
 * an entry keeps its own checksum inside a message, so that what is stored is what was sent. */
#include "raft/codec.h"

#include "base/crc32c.h"
#include "raft/bytes.h"

enum {
    MESSAGE_VERSION = 1,
    MESSAGE_HEADER_BYTES = 1 + 1 + 2 + 3 * 16 + 8,
    CHECKSUM_BYTES = 4,
    ENTRY_CHECKED_BYTES = 17, /* index, term, type */
    SNAPSHOT_BYTES = 8 + 8 + 8 + 4,
};

size_t raft_entry_encode(const struct raft_entry *entry, uint8_t *out) {
    struct byte_writer w = {out + 8};
    write_unsigned(&w, entry->index, 8);
    write_unsigned(&w, entry->term, 8);
    write_unsigned(&w, (uint64_t)entry->type, 1);
    write_bytes(&w, entry->data);
    struct byte_writer head = {out};
    write_unsigned(&head, entry->data.size, 4);
    write_unsigned(&head, crc32c(slice_of(out + 8, ENTRY_CHECKED_BYTES + entry->data.size)), 4);
    return raft_entry_encoded_size(entry);
}

static bool entry_is_valid(const struct raft_entry *entry) {
    if (entry->index == 0 || entry->term == 0)
        return false;
    switch (entry->type) {
    case RAFT_ENTRY_NOOP: return entry->data.size == 0;
    case RAFT_ENTRY_COMMAND: return true;
    case RAFT_ENTRY_CONFIGURATION: {
        struct raft_configuration ignored;
        return raft_configuration_decode(entry->data, &ignored) == LARDER_OK;
    }
    }
    return false;
}

enum larder_status raft_entry_decode(struct slice bytes, struct raft_entry *out, size_t *out_size) {
    struct byte_reader r = byte_reader_of(bytes);
    size_t size = (size_t)read_unsigned(&r, 4);
    uint32_t checksum = (uint32_t)read_unsigned(&r, 4);
    if (size > RAFT_ENTRY_DATA_MAX)
        return LARDER_CORRUPT;
    if (r.is_failed || r.left < ENTRY_CHECKED_BYTES + size)
        return LARDER_AGAIN;
    if (crc32c(slice_of(r.at, ENTRY_CHECKED_BYTES + size)) != checksum)
        return LARDER_CORRUPT;
    out->index = read_unsigned(&r, 8);
    out->term = read_unsigned(&r, 8);
    out->type = (enum raft_entry_type)read_unsigned(&r, 1);
    out->data = read_bytes(&r, size);
    *out_size = RAFT_ENTRY_HEADER_BYTES + size;
    return entry_is_valid(out) ? LARDER_OK : LARDER_CORRUPT;
}

size_t raft_configuration_encode(const struct raft_configuration *configuration, uint8_t *out) {
    struct byte_writer w = {out};
    write_unsigned(&w, configuration->count, 1);
    for (uint32_t i = 0; i < configuration->count; i++) {
        write_id(&w, configuration->members[i].id);
        write_unsigned(&w, configuration->members[i].is_voter, 1);
    }
    return (size_t)(w.at - out);
}

static void read_configuration(struct byte_reader *r, struct raft_configuration *out) {
    uint32_t voters = 0;
    out->count = (uint32_t)read_unsigned(r, 1);
    if (out->count > RAFT_MEMBERS_MAX) {
        r->is_failed = true;
        out->count = 0;
    }
    for (uint32_t i = 0; i < out->count; i++) {
        out->members[i].id = read_id(r);
        out->members[i].is_voter = read_flag(r);
        voters += out->members[i].is_voter;
        bool is_known = !raft_id_is_set(out->members[i].id);
        for (uint32_t j = 0; j < i; j++)
            is_known |= raft_id_equal(out->members[i].id, out->members[j].id);
        if (is_known)
            r->is_failed = true;
    }
    if (voters > RAFT_VOTERS_MAX)
        r->is_failed = true;
}

enum larder_status raft_configuration_decode(struct slice bytes, struct raft_configuration *out) {
    struct byte_reader r = byte_reader_of(bytes);
    read_configuration(&r, out);
    return r.is_failed || r.left > 0 ? LARDER_CORRUPT : LARDER_OK;
}

static size_t body_size(const struct raft_message *message) {
    switch (message->type) {
    case RAFT_PRE_VOTE:
    case RAFT_VOTE: return 8 + 8 + 1;
    case RAFT_PRE_VOTE_REPLY:
    case RAFT_VOTE_REPLY: return 1;
    case RAFT_APPEND: {
        size_t size = 4 * 8 + 4;
        for (uint32_t i = 0; i < message->append.entry_count; i++)
            size += raft_entry_encoded_size(&message->append.entries[i]);
        return size;
    }
    case RAFT_APPEND_REPLY: return 1 + 1 + 6 * 8;
    case RAFT_SNAPSHOT:
        return SNAPSHOT_BYTES + 1 + (size_t)message->snapshot.configuration.count * 17 + 8 + 4 +
               message->snapshot.data.size;
    case RAFT_SNAPSHOT_REPLY: return SNAPSHOT_BYTES + 8;
    case RAFT_TIMEOUT_NOW: return 0;
    }
    return 0;
}

size_t raft_message_encoded_size(const struct raft_message *message) {
    return MESSAGE_HEADER_BYTES + body_size(message) + CHECKSUM_BYTES;
}

static void write_append(struct byte_writer *w, const struct raft_append *append) {
    write_unsigned(w, append->previous_index, 8);
    write_unsigned(w, append->previous_term, 8);
    write_unsigned(w, append->commit, 8);
    write_unsigned(w, append->round, 8);
    write_unsigned(w, append->entry_count, 4);
    for (uint32_t i = 0; i < append->entry_count; i++)
        w->at += raft_entry_encode(&append->entries[i], w->at);
}

static void write_append_reply(struct byte_writer *w, const struct raft_append_reply *reply) {
    write_unsigned(w, reply->is_rejected, 1);
    write_unsigned(w, reply->is_stalled, 1);
    write_unsigned(w, reply->previous_index, 8);
    write_unsigned(w, reply->round, 8);
    write_unsigned(w, reply->held, 8);
    write_unsigned(w, reply->durable, 8);
    write_unsigned(w, reply->hint_index, 8);
    write_unsigned(w, reply->hint_term, 8);
}

static void write_snapshot(struct byte_writer *w, const struct raft_snapshot *snapshot) {
    write_unsigned(w, snapshot->index, 8);
    write_unsigned(w, snapshot->term, 8);
    write_unsigned(w, snapshot->size, 8);
    write_unsigned(w, snapshot->checksum, 4);
}

static void write_chunk(struct byte_writer *w, const struct raft_snapshot_chunk *chunk) {
    write_snapshot(w, &chunk->snapshot);
    w->at += raft_configuration_encode(&chunk->configuration, w->at);
    write_unsigned(w, chunk->offset, 8);
    write_unsigned(w, chunk->data.size, 4);
    write_bytes(w, chunk->data);
}

static void write_body(struct byte_writer *w, const struct raft_message *message) {
    switch (message->type) {
    case RAFT_PRE_VOTE:
    case RAFT_VOTE:
        write_unsigned(w, message->vote.last_index, 8);
        write_unsigned(w, message->vote.last_term, 8);
        write_unsigned(w, message->vote.is_transfer, 1);
        break;
    case RAFT_PRE_VOTE_REPLY:
    case RAFT_VOTE_REPLY: write_unsigned(w, message->vote_reply.is_granted, 1); break;
    case RAFT_APPEND: write_append(w, &message->append); break;
    case RAFT_APPEND_REPLY: write_append_reply(w, &message->append_reply); break;
    case RAFT_SNAPSHOT: write_chunk(w, &message->snapshot); break;
    case RAFT_SNAPSHOT_REPLY:
        write_snapshot(w, &message->snapshot_reply.snapshot);
        write_unsigned(w, message->snapshot_reply.offset, 8);
        break;
    case RAFT_TIMEOUT_NOW: break;
    }
}

size_t raft_message_encode(const struct raft_message *message, uint8_t *out) {
    struct byte_writer w = {out};
    write_unsigned(&w, MESSAGE_VERSION, 1);
    write_unsigned(&w, (uint64_t)message->type, 1);
    write_unsigned(&w, message->generation, 2);
    write_id(&w, message->cluster);
    write_id(&w, message->from);
    write_id(&w, message->to);
    write_unsigned(&w, message->term, 8);
    write_body(&w, message);
    write_unsigned(&w, crc32c(slice_of(out, (size_t)(w.at - out))), CHECKSUM_BYTES);
    return (size_t)(w.at - out);
}

/* Entries must follow each other and the one before them, with terms that do not fall. */
static void read_entries(struct byte_reader *r, uint64_t message_term, struct raft_append *append,
                         struct raft_entry *entries) {
    uint64_t index = append->previous_index;
    uint64_t term = append->previous_term;
    size_t data_bytes = 0;
    for (uint32_t i = 0; i < append->entry_count && !r->is_failed; i++) {
        size_t size = 0;
        enum larder_status status = raft_entry_decode(slice_of(r->at, r->left), &entries[i], &size);
        if (status != LARDER_OK || entries[i].index != ++index || entries[i].term < term ||
            entries[i].term > message_term) {
            r->is_failed = true;
            return;
        }
        term = entries[i].term;
        data_bytes += entries[i].data.size;
        (void)read_bytes(r, size);
    }
    if (data_bytes > RAFT_APPEND_BYTES_MAX)
        r->is_failed = true;
}

static void read_append(struct byte_reader *r, uint64_t message_term, struct raft_append *out,
                        struct raft_entry *entries) {
    out->previous_index = read_unsigned(r, 8);
    out->previous_term = read_unsigned(r, 8);
    out->commit = read_unsigned(r, 8);
    out->round = read_unsigned(r, 8);
    out->entry_count = (uint32_t)read_unsigned(r, 4);
    out->entries = entries;
    if (out->entry_count > RAFT_APPEND_ENTRIES_MAX ||
        (out->previous_index == 0) != (out->previous_term == 0) ||
        out->previous_index > UINT64_MAX - RAFT_APPEND_ENTRIES_MAX) {
        r->is_failed = true;
        return;
    }
    read_entries(r, message_term, out, entries);
}

static void read_append_reply(struct byte_reader *r, struct raft_append_reply *out) {
    out->is_rejected = read_flag(r);
    out->is_stalled = read_flag(r);
    out->previous_index = read_unsigned(r, 8);
    out->round = read_unsigned(r, 8);
    out->held = read_unsigned(r, 8);
    out->durable = read_unsigned(r, 8);
    out->hint_index = read_unsigned(r, 8);
    out->hint_term = read_unsigned(r, 8);
    if (out->durable > out->held)
        r->is_failed = true;
}

static void read_snapshot(struct byte_reader *r, struct raft_snapshot *out) {
    out->index = read_unsigned(r, 8);
    out->term = read_unsigned(r, 8);
    out->size = read_unsigned(r, 8);
    out->checksum = (uint32_t)read_unsigned(r, 4);
    if (out->index == 0 || out->term == 0 || out->index == UINT64_MAX)
        r->is_failed = true;
}

static void read_chunk(struct byte_reader *r, struct raft_snapshot_chunk *out) {
    read_snapshot(r, &out->snapshot);
    read_configuration(r, &out->configuration);
    out->offset = read_unsigned(r, 8);
    size_t size = (size_t)read_unsigned(r, 4);
    if (size > RAFT_SNAPSHOT_CHUNK_MAX || size > out->snapshot.size ||
        out->offset > out->snapshot.size - size)
        r->is_failed = true;
    out->data = read_bytes(r, r->is_failed ? 0 : size);
}

static void read_body(struct byte_reader *r, struct raft_message *out, struct raft_entry *entries) {
    switch (out->type) {
    case RAFT_PRE_VOTE:
    case RAFT_VOTE:
        out->vote.last_index = read_unsigned(r, 8);
        out->vote.last_term = read_unsigned(r, 8);
        out->vote.is_transfer = read_flag(r);
        return;
    case RAFT_PRE_VOTE_REPLY:
    case RAFT_VOTE_REPLY: out->vote_reply.is_granted = read_flag(r); return;
    case RAFT_APPEND: read_append(r, out->term, &out->append, entries); return;
    case RAFT_APPEND_REPLY: read_append_reply(r, &out->append_reply); return;
    case RAFT_SNAPSHOT: read_chunk(r, &out->snapshot); return;
    case RAFT_SNAPSHOT_REPLY:
        read_snapshot(r, &out->snapshot_reply.snapshot);
        out->snapshot_reply.offset = read_unsigned(r, 8);
        if (out->snapshot_reply.offset > out->snapshot_reply.snapshot.size)
            r->is_failed = true;
        return;
    case RAFT_TIMEOUT_NOW: return;
    }
    r->is_failed = true;
}

enum larder_status raft_message_decode(struct slice bytes,
                                       struct raft_entry entries[RAFT_APPEND_ENTRIES_MAX],
                                       struct raft_message *out) {
    if (bytes.size < MESSAGE_HEADER_BYTES + CHECKSUM_BYTES || bytes.size > RAFT_MESSAGE_BYTES_MAX)
        return LARDER_CORRUPT;
    size_t checked = bytes.size - CHECKSUM_BYTES;
    struct byte_reader tail = byte_reader_of(slice_of(bytes.data + checked, CHECKSUM_BYTES));
    if (crc32c(slice_of(bytes.data, checked)) != read_unsigned(&tail, CHECKSUM_BYTES))
        return LARDER_CORRUPT;
    struct byte_reader r = byte_reader_of(slice_of(bytes.data, checked));
    if (read_unsigned(&r, 1) != MESSAGE_VERSION)
        return LARDER_CORRUPT;
    out->type = (enum raft_message_type)read_unsigned(&r, 1);
    out->generation = (uint16_t)read_unsigned(&r, 2);
    out->cluster = read_id(&r);
    out->from = read_id(&r);
    out->to = read_id(&r);
    out->term = read_unsigned(&r, 8);
    read_body(&r, out, entries);
    return r.is_failed || r.left > 0 ? LARDER_CORRUPT : LARDER_OK;
}
