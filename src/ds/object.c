/* SPDX-License-Identifier: BSD-3-Clause */
/* Defaults as Redis has them, so that OBJECT ENCODING tells what clients expect. */
#include "ds/object.h"

void object_limits_init(struct object_limits *limits) {
    atomic_init(&limits->hash_entries, 512);
    atomic_init(&limits->hash_value_bytes, 64);
    atomic_init(&limits->set_integer_entries, 512);
    atomic_init(&limits->set_entries, 128);
    atomic_init(&limits->set_value_bytes, 64);
    atomic_init(&limits->sorted_set_entries, 128);
    atomic_init(&limits->sorted_set_value_bytes, 64);
    atomic_init(&limits->list_size, -2);
    atomic_init(&limits->list_plain_bytes, 8 * 1024);
    atomic_init(&limits->stream_node_bytes, 4096);
    atomic_init(&limits->stream_node_entries, 100);
    atomic_init(&limits->hyperloglog_sparse_bytes, 3000);
}

const char *object_kind_name(enum object_kind kind) {
    static const char *const NAMES[OBJECT_KIND_COUNT] = {"list", "set", "zset", "hash", "stream"};
    return NAMES[kind];
}
