/* SPDX-License-Identifier: BSD-3-Clause */
/* The data of a cluster member's partitions: a node of its own whose partitions are handed to
 * replication one by one (cluster/partition_store.h). Commands run through the command table and
 * under the partition's lock, as those of any client; what they change is their effect, one record
 * of store/effect.h, which any other member applies through the same functions.
 *
 *   bucket of a key = lowest 8 bits of its hash in the index
 *
 * so that a bucket is an interval of the index, found without a look at the others. It is the same
 * on all members because they share the seed of the hash: the cluster draws one when it is formed
 * and keeps it secret. The key of the digests follows from it.
 *
 * EXEC and scripts are all or nothing: before one of their commands changes a key, what the key
 * held is kept, and put back if memory runs out later on or the script has to be stopped. A value
 * above 64 KiB is not kept; one that was changed by then makes the store LARDER_CORRUPT. Scripts
 * touch the keys that they declare; they are stopped after a fixed number of instructions.
 *
 * There is one database. Nothing here reads a clock or draws from the system: time is an argument,
 * and what is drawn at random follows from the seeds. One thread at a time for the whole host. */
#ifndef LARDER_NODE_PARTITION_STORE_H
#define LARDER_NODE_PARTITION_STORE_H

#include "base/command_keys.h"
#include "cluster/partition_store.h"
#include "node/node.h"
#include "store/digest.h"

struct store_host_options {
    const struct allocator *allocator; /* NULL: ALLOCATOR_SYSTEM */
    uint32_t partition_count;          /* 0: 271 */
    uint64_t hash_seed;                /* the cluster's, not 0 */
    uint64_t random_seed;              /* of this member: SPOP, eviction ... */
    int64_t max_memory_bytes;          /* 0: no limit */
    size_t effect_bytes_max; /* a command that might change more is refused; 0: no limit */
    enum eviction_policy policy;
};

struct store_host;

/* What partition_store.context points to. */
struct hosted_partition {
    struct store_host *host;
    uint32_t id;
    uint32_t pressure; /* of the other replicas, per mille */
};

/* What is needed to take back what an EXEC or a script changed. */
struct hosted_undo {
    struct effects images; /* a record per key: what it held, or that it was not there */
    struct hosted_image *list;
    size_t count, capacity;
    bool is_possible;
    struct hosted_partition *pending; /* not all of it is back yet, for want of memory; or NULL */
    void *cushion;                    /* freed when memory is needed to put things back */
    struct effects_mark mark;         /* of the effect */
};

struct hosted_scripts; /* partition_store_script.c */

struct store_host {
    const struct allocator *allocator;
    struct node *node;
    struct node_thread thread;
    struct reply reply;
    struct effects items; /* what read_bucket and read_key made */
    struct hosted_partition *partitions;
    struct slice *arguments; /* of the part being applied */
    size_t argument_capacity;
    uint8_t *bytes; /* a reply in one piece, a part with its header, or keys left out */
    size_t bytes_capacity;
    struct digest_key digest_key; /* follows from the hash seed, which nobody else knows */
    struct hosted_undo undo;
    struct hosted_scripts *scripts; /* NULL until one runs */
    bool has_room;                  /* for the script that runs */
};

/* Returns owned in *out. Errors: LARDER_NO_MEMORY, LARDER_INVALID. */
enum larder_status store_host_create(const struct store_host_options *options,
                                     struct store_host **out) LARDER_NODISCARD;
/* No store of it is used any more. NULL is allowed. */
void store_host_destroy(struct store_host *host);

/* The store of one partition, valid as long as the host. */
struct partition_store store_host_partition(struct store_host *host, uint32_t id);

/* What the partitions of this host use, per mille of max_memory_bytes; 0: there is no limit. */
uint32_t store_host_pressure(const struct store_host *host);

/* The partition that a key belongs to. */
uint32_t store_host_partition_of(const struct store_host *host, struct slice key);

/* Replies of the next commands are in RESP `protocol`, 2 (as at first) or 3. */
void store_host_set_protocol(struct store_host *host, uint8_t protocol);

/* Load a library of functions for FCALL, in addition to those that are loaded. *out_error: why not;
 * borrowed until the host is used again. Errors: LARDER_NO_MEMORY, LARDER_INVALID. */
enum larder_status store_host_load_functions(struct store_host *host, struct slice library,
                                             struct slice *out_error) LARDER_NODISCARD;

/* ---- for the files of the store ---- */

enum { HOSTED_KEYS_ON_STACK = 64 };

/* Where the keys of a command are; some memory where they are many. */
struct key_list {
    struct command_key few[HOSTED_KEYS_ON_STACK];
    struct command_key *items;
    size_t count;
};

/* partition_store.c */
/* NULL: there is none. */
const struct command_spec *hosted_find_command(const struct slice *argv, size_t argc);
/* False: it can't run here, the reply says why. */
bool hosted_is_permitted(struct hosted_partition *p, const struct command_spec *spec,
                         const struct slice *argv, size_t argc);
/* Errors: LARDER_NO_MEMORY. */
enum larder_status hosted_list_keys(struct store_host *host, const struct command_spec *spec,
                                    const struct slice *argv, size_t argc,
                                    struct key_list *out) LARDER_NODISCARD;
void hosted_drop_keys(struct store_host *host, struct key_list *keys);
/* False: the reply says why. */
bool hosted_has_only_own_keys(struct hosted_partition *p, const struct key_list *keys,
                              const struct slice *argv);
/* In the section. False: no memory. */
bool hosted_remove_expired(struct hosted_partition *p, struct slice key);
bool hosted_make_room(struct hosted_partition *p);
enum larder_status hosted_enter(struct hosted_partition *p) LARDER_NODISCARD;
/* Whatever the command is; its keys were looked at. False: it found no memory, or had to be
 * stopped, and has changed nothing but what the undo knows. */
bool hosted_run_command(struct hosted_partition *p, const struct command_spec *spec,
                        const struct slice *argv, size_t argc);
void hosted_give(struct store_host *host, struct store_result *out);
bool hosted_is_script(const struct command_spec *spec);
bool hosted_is_write(const struct command_spec *spec);

/* partition_store_undo.c: in the section */
void hosted_undo_begin(struct store_host *host);
/* The key is about to be changed. False: no memory. */
bool hosted_undo_keep(struct hosted_partition *p, struct slice key);
/* Everything is as it was, and so is the effect; or will be before anything else is done. False: it
 * can't be. */
bool hosted_undo(struct hosted_partition *p);
/* Before the store does or says anything: end what is pending. False: no memory for that. */
bool hosted_settle(struct store_host *host);
/* The entries of the bucket (PARTITION_WHOLE: all), or the key's, are gone: they need not come
 * back. */
void hosted_forget_undo(struct hosted_partition *p, uint32_t bucket, const struct slice *key);
void hosted_undo_finish(struct store_host *host);

/* partition_store_several.c */
enum larder_status hosted_execute_all(void *context, int64_t now_ms,
                                      const struct store_command *commands, size_t count,
                                      struct store_result *out) LARDER_NODISCARD;
enum larder_status hosted_expire_keys(void *context, int64_t now_ms, const struct slice *keys,
                                      size_t count, struct store_result *out) LARDER_NODISCARD;

/* partition_store_script.c: as hosted_run_command, in the section */
bool hosted_run_script(struct hosted_partition *p, const struct command_spec *spec,
                       const struct slice *argv, size_t argc);
void hosted_scripts_destroy(struct store_host *host);

/* partition_store_buckets.c: the entry as a part of the record being written in `to` */
enum larder_status hosted_write_entry(struct hosted_partition *p, const struct entry *entry,
                                      struct effects *to) LARDER_NODISCARD;
size_t hosted_entry_size(const struct entry *entry);
struct key hosted_key(const struct hosted_partition *p, struct slice text);
/* partition_store_apply.c: the parts of one record, also in the section */
enum larder_status hosted_apply_record(struct hosted_partition *p,
                                       struct slice record) LARDER_NODISCARD;
/* The first part of a record; its arguments are in host->arguments. */
enum larder_status hosted_read_part(struct hosted_partition *p, struct slice record,
                                    struct effect_part *out) LARDER_NODISCARD;

/* Room for `size` bytes in host->bytes. False: no memory. */
bool store_host_need_bytes(struct store_host *host, size_t size);
/* Before anything is done: forget what was lent, set the time, free what was dropped. */
void store_host_begin(struct store_host *host, int64_t now_ms);
/* After LARDER_NO_MEMORY, no lock is held: fill the thread's reserve. False: no use in trying
 * again.
 */
bool store_host_refill(struct store_host *host);

/* partition_store_apply.c, partition_store_buckets.c */
enum larder_status hosted_apply(void *context, struct slice effect, size_t *at) LARDER_NODISCARD;
enum larder_status hosted_next_part(void *context, struct slice effect, size_t *at,
                                    struct store_part *out) LARDER_NODISCARD;
enum larder_status hosted_read_bucket(void *context, uint32_t bucket, size_t bytes_max,
                                      struct store_items *out) LARDER_NODISCARD;
enum larder_status hosted_read_key(void *context, struct slice key,
                                   struct slice *out) LARDER_NODISCARD;
void hosted_clear_bucket(void *context, uint32_t bucket);
void hosted_clear_key(void *context, struct slice key);
void hosted_delete_key(struct hosted_partition *p, struct slice key);
void hosted_digest_bucket(void *context, uint32_t bucket, struct store_digest *out);
uint32_t hosted_bucket_of(void *context, struct slice key);

#endif
