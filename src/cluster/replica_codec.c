/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes of messages between replicas. Integers are little-endian.
 *
 *   type u8 | partition u32 | from u32 | to u32 | incarnations 2 x u64 | config index u64 | term
 * u64 | position: term u64, sequence u64 | commit u64 | durable u64 | number u64 | unsynced u8 |
 * count u8 | count times: term u64, kind u8, size u32, payload
 */
#include "cluster/partition_replica.h"
#include "raft/bytes.h"

enum { HEADER_BYTES = 1 + 3 * 4 + 9 * 8 + 2, RECORD_HEADER_BYTES = 13 };

size_t replica_message_encoded_size(const struct replica_message *m) {
    size_t size = HEADER_BYTES + (size_t)m->record_count * RECORD_HEADER_BYTES;
    for (uint32_t i = 0; i < m->record_count; i++)
        size += m->records[i].payload.size;
    return size;
}

size_t replica_message_encode(const struct replica_message *m, uint8_t *out) {
    struct byte_writer w = {out};
    write_unsigned(&w, m->type, 1);
    write_unsigned(&w, m->partition, 4);
    write_unsigned(&w, m->from, 4);
    write_unsigned(&w, m->to, 4);
    const uint64_t words[] = {
        m->from_incarnation,  m->to_incarnation, m->config_index, m->term,  m->position.term,
        m->position.sequence, m->commit,         m->durable,      m->number};
    for (size_t i = 0; i < 9; i++)
        write_unsigned(&w, words[i], 8);
    write_unsigned(&w, m->is_unsynced, 1);
    write_unsigned(&w, m->record_count, 1);
    for (uint32_t i = 0; i < m->record_count; i++) {
        write_unsigned(&w, m->records[i].term, 8);
        write_unsigned(&w, m->records[i].kind, 1);
        write_unsigned(&w, m->records[i].payload.size, 4);
        write_bytes(&w, m->records[i].payload);
    }
    return (size_t)(w.at - out);
}

enum larder_status replica_message_decode(struct slice bytes,
                                          struct replica_record records[REPLICA_BATCH_RECORDS],
                                          struct replica_message *out) {
    struct byte_reader r = byte_reader_of(bytes);
    *out = (struct replica_message){0};
    uint64_t type = read_unsigned(&r, 1);
    out->type = (enum replica_message_type)type;
    out->partition = (uint32_t)read_unsigned(&r, 4);
    out->from = (uint32_t)read_unsigned(&r, 4);
    out->to = (uint32_t)read_unsigned(&r, 4);
    uint64_t *const words[] = {&out->from_incarnation,
                               &out->to_incarnation,
                               &out->config_index,
                               &out->term,
                               &out->position.term,
                               &out->position.sequence,
                               &out->commit,
                               &out->durable,
                               &out->number};
    for (size_t i = 0; i < 9; i++)
        *words[i] = read_unsigned(&r, 8);
    out->is_unsynced = read_flag(&r);
    out->record_count = (uint32_t)read_unsigned(&r, 1);
    out->records = records;
    if (type == 0 || type >= REPLICA_MESSAGE_END || out->record_count > REPLICA_BATCH_RECORDS ||
        (out->record_count > 0 && type != REPLICA_RECORDS))
        return LARDER_CORRUPT;
    for (uint32_t i = 0; i < out->record_count; i++) {
        records[i].term = read_unsigned(&r, 8);
        uint64_t kind = read_unsigned(&r, 1);
        records[i].kind = (enum replica_record_kind)kind;
        records[i].payload = read_bytes(&r, (size_t)read_unsigned(&r, 4));
        if (kind == 0 || kind >= RECORD_KIND_END)
            r.is_failed = true;
    }
    return r.is_failed || r.left != 0 ? LARDER_CORRUPT : LARDER_OK;
}
