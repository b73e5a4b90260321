/* SPDX-License-Identifier: BSD-3-Clause */
/* How a command runs. The node (or a test) fills a `struct call`, holds the locks of all partitions
 * that the command's keys fall in, and calls the command's function. The function reads its
 * arguments, looks keys up and changes them only through the call_ functions below, writes exactly
 * one reply (or one error) and emits the effect of what it changed. It takes no locks, does no I/O,
 * never waits, and reads no clock: `thread->now_ms` is the time.
 *
 * Result of a command function:
 *   LARDER_OK         a reply (which may be an error reply) was written
 *   LARDER_AGAIN      only with CALL_MAY_BLOCK, nothing was changed and no reply written: the
 * client is to wait as call->wait says; see "waiting" below anything else     nothing was changed;
 * the caller writes the error of that status, except LARDER_NO_MEMORY, after which it fills the
 * segment pool and runs the command once more from the start before it answers OOM In the latter
 * case the caller takes back what stands in the reply (reply_cut) and commits the effects as ever:
 * an expired key that was in the way may have been deleted.
 *
 * So a command reserves before it changes: a single call_put is atomic in itself; a command that
 * makes several calls call_reserve for each first. A write whose reply is larger than
 * CALL_REPLY_RESERVED bytes calls reply_reserve before it changes anything.
 *
 * Effects are commands that give the same result whenever they are applied to the same state:
 * absolute expiry times, resolved random choices, one part per key. They are what the write-ahead
 * log and the backups get, and what call_apply_effect executes. */
#ifndef LARDER_COMMANDS_CALL_H
#define LARDER_COMMANDS_CALL_H

#include "base/command_spec.h"
#include "command_table.h"
#include "store/effect.h"
#include "store/partition.h"
#include "wire/reply.h"

enum {
    CALL_REPLY_RESERVED = 512, /* bytes of reply that can't fail */
};

enum call_flags {
    CALL_NO_TOUCH = 1 << 0, /* CLIENT NO-TOUCH: reads don't count as uses */
    CALL_APPLY = 1 << 1, /* an effect is applied: expiry is the primary's business, no emission */
    CALL_MAY_BLOCK = 1 << 2, /* a blocking command may answer LARDER_AGAIN; else it answers what it
                                answers after its timeout (in EXEC, in scripts) */
    CALL_SCRIPT = 1 << 3,    /* called by a script */
    CALL_SOME_KEYS = 1 << 4, /* the user may not read every key: none is read that isn't named */
};

/* ---- waiting ----
 * A blocking command (BLPOP, XREAD BLOCK ...) that finds nothing to do sets `wait` and returns
 * LARDER_AGAIN. The node makes the client wait for the keys that the command names. When one of
 * them was changed the same function is called again with `only_key` set to that key: it acts as if
 * the others did not exist, and returns LARDER_AGAIN to wait on (then `wait` is ignored), or
 * replies. When the time is over the node replies null. */
struct call_wait {
    int64_t until_ms;      /* wall clock when it gives up; 0: never */
    bool is_array;         /* its null is a null array */
    size_t argument_count; /* arguments to be replaced when it is called again: XREAD's $ */
    struct call_wait_argument {
        size_t index;
        uint8_t text[48];
        uint8_t size;
    } * arguments; /* allocated with the keyspace's allocator; the node frees it */
    size_t argument_capacity;
};

struct call {
    /* input: immutable while the command runs */
    const struct command_spec *spec;
    size_t argc;
    const struct slice *argv; /* argv[0] is the command's name; for a subcommand, argv[1] too */
    struct blob *const *argv_blobs; /* NULL, or per argument the blob that holds it, or NULL */
    struct keyspace *keyspace;
    struct store_thread *thread;
    uint32_t database; /* number, as SELECT counts */
    uint32_t flags;    /* enum call_flags */
    struct key key;    /* the first key, hashed beforehand; key.text.data NULL when there is none */
    int64_t max_value_bytes; /* proto-max-bulk-len */
    /* Have the partition of a key locked that the command does not name (SORT BY); NULL: all are.
     * It can't fail for a command that node_has_unknown_keys tells of. */
    bool (*hold)(struct call *call, const struct key *key);
    void *hold_context;
    struct slice only_key; /* a waiting command is served: only this key counts; data NULL: all */
    /* output */
    struct reply *reply;
    bool changed;          /* something was changed: the command counts as a write that happened */
    bool reserved;         /* call_reserve was used: the caller ends the partitions' reservations */
    struct call_wait wait; /* with LARDER_AGAIN */
};

typedef enum larder_status (*command_function)(struct call *call);

/* The function of each built command; NULL for one that is described but not built. */
extern const command_function command_functions[COMMAND_COUNT];

/* ---- keys ---- */

/* The key in the call's database. */
struct key call_key(const struct call *call, struct slice text) REQUIRES(PARTITION_LOCK);
/* The key at argv[index] in the call's database: call->key where it is that. */
struct key call_key_at(const struct call *call, size_t index) REQUIRES(PARTITION_LOCK);
struct partition *call_partition(const struct call *call, const struct key *key);
/* The blob that holds argv[index], or NULL. Borrows. */
static inline struct blob *call_blob_at(const struct call *call, size_t index) {
    return call->argv_blobs == NULL ? NULL : call->argv_blobs[index];
}
/* Whether a key with this expiry time is to be deleted at once instead of stored: it is over, and
 * this is not the application of an effect. */
static inline bool call_is_past(const struct call *call, int64_t expiry_ms) {
    return (call->flags & CALL_APPLY) == 0 && expiry_ms <= call->thread->now_ms;
}

/* Look up for reading: counts a hit or a miss and a use; an expired key is a miss.
 * Borrows: `out` is valid until the next call_ function that changes something. */
bool call_read(struct call *call, const struct key *key, struct entry *out)
    REQUIRES(PARTITION_LOCK);
/* As call_read, but no use is counted (EXISTS, TTL, TYPE, OBJECT). */
bool call_inspect(struct call *call, const struct key *key, struct entry *out)
    REQUIRES(PARTITION_LOCK);
/* As call_read, without counting anything (checks inside commands). */
bool call_peek(struct call *call, const struct key *key, struct entry *out)
    REQUIRES(PARTITION_LOCK);
/* Look up for a write: an expired key is deleted first (with its effect) and is a miss. Counts no
 * hit or miss; the use is counted by the call_put or call_set_expiry that follows. */
bool call_write(struct call *call, const struct key *key, struct entry *out)
    REQUIRES(PARTITION_LOCK);

/* ---- changes ---- */

/* Reserve for a call_put of this key and value size; see above. Does not cover the blob of a value
 * above RECORD_INLINE_VALUE_MAX. */
enum larder_status call_reserve(struct call *call, const struct key *key, size_t value_size)
    REQUIRES(PARTITION_LOCK) LARDER_NODISCARD;
/* Store a value: `old` from call_write for the same key, NULL when it was a miss. */
enum larder_status call_put(struct call *call, const struct key *key, const struct entry *old,
                            struct value value, int64_t expiry_ms)
    REQUIRES(PARTITION_LOCK) LARDER_NODISCARD;
/* Store a string, choosing its form: an integer when the bytes are the canonical text of an int64,
 * inline bytes, or a blob above RECORD_INLINE_VALUE_MAX. `blob` is the blob that already holds
 * exactly these bytes (an element of argv_blobs), or NULL: it is shared instead of copied. */
enum larder_status call_put_string(struct call *call, const struct key *key,
                                   const struct entry *old, struct slice bytes, struct blob *blob,
                                   int64_t expiry_ms) REQUIRES(PARTITION_LOCK) LARDER_NODISCARD;
enum larder_status call_set_expiry(struct call *call, const struct key *key, struct entry *entry,
                                   int64_t expiry_ms) REQUIRES(PARTITION_LOCK) LARDER_NODISCARD;
/* The bytes of a blob were changed in place: as any change, it is told of. */
void call_mark_changed(struct call *call, const struct key *key) REQUIRES(PARTITION_LOCK);
/* Count a use of an entry whose blob was changed in place, or that is only touched (TOUCH). May
 * move the record: `entry` is decoded anew. */
void call_use(struct call *call, const struct key *key, struct entry *entry)
    REQUIRES(PARTITION_LOCK);
/* Can't fail. */
void call_delete(struct call *call, const struct key *key, const struct entry *entry)
    REQUIRES(PARTITION_LOCK);

/* ---- containers ---- */

static inline const struct object_context *call_objects(const struct call *call) {
    return &call->keyspace->objects;
}

/* The container at a key, for reading; counts as call_read does. *out NULL: there is none. False:
 * the key holds something else, WRONGTYPE was replied. Borrows until the next change. */
bool call_read_object(struct call *call, const struct key *key, enum object_kind kind,
                      const struct object **out) REQUIRES(PARTITION_LOCK);

/* A container about to be changed. */
struct object_edit {
    struct key key;
    struct entry entry;    /* when is_there */
    struct object *object; /* NULL when it is not; functions of the container take its address */
    bool is_there;
};
/* Look it up as call_write does; elements that have expired are removed, with their effects. False:
 * WRONGTYPE was replied. Until the commit no other change may be made in the key's partition. */
bool call_edit_object(struct call *call, const struct key *key, enum object_kind kind,
                      struct object_edit *out) REQUIRES(PARTITION_LOCK);
/* The container was changed, maybe replaced, or is new (the command created it into edit->object).
 * Stores it, counts its memory and a use; deletes the key when it is empty, and says so as the
 * event "del" (so call_notify comes first). Emits no effect. Fails only for a new one, unless
 * call_reserve(key, 0) was called: it is freed then, nothing changed. Errors: LARDER_NO_MEMORY. */
enum larder_status call_commit_object(struct call *call, struct object_edit *edit)
    REQUIRES(PARTITION_LOCK) LARDER_NODISCARD;
/* The command looked, found nothing to change after all, or found no memory. What it may have moved
 * or converted is stored; a new one is freed. Not counted as a change. */
void call_leave_object(struct call *call, struct object_edit *edit) REQUIRES(PARTITION_LOCK);
/* Store a new container under a key, whatever is there (`old` from call_write, or NULL). Takes
 * ownership: it is freed on failure. An empty one deletes the key. Errors: LARDER_NO_MEMORY. */
enum larder_status call_put_object(struct call *call, const struct key *key,
                                   const struct entry *old, struct object *object,
                                   int64_t expiry_ms) REQUIRES(PARTITION_LOCK) LARDER_NODISCARD;

/* ---- keyspace events ---- */

/* Tell of an event, which is a static text: call_notify(call, NOTICE_LIST, "lpush", &key). Changed
 * keys are told of by the functions that change them. */
static inline void call_notify(struct call *call, uint32_t class, const char *event,
                               const struct key *key) {
    notices_event(&call->thread->notices, class, event, key->partition, key->collection, key->text);
}

/* ---- effects: after the change, while the locks are held; they can't fail: effects_begin reserved
 * call_effect_bound(call), and a command whose effect carries a value that is not among its
 * arguments (INCRBYFLOAT, RENAME, BITOP) calls call_reserve_effect before it changes anything ----
 */

/* Bytes that the effects of a command take at most, as far as its arguments tell: every argument in
 * a part of its own, and a deletion of each key beforehand. */
size_t call_effect_bound(const struct call *call);
/* The command as it came is its own effect (deterministic, absolute, one key at argv[1]). */
void call_effect_verbatim(struct call *call);
/* One part: command `id` with `count` arguments after its name; arguments[0] is the key. */
void call_effect(struct call *call, enum command_id id, const struct slice *arguments,
                 size_t count);
/* SET key value [PXAT expiry_ms]: the usual effect of a string write. */
void call_effect_set(struct call *call, const struct key *key, struct slice value,
                     int64_t expiry_ms);
/* DEL key. */
void call_effect_delete(struct call *call, const struct key *key);
/* PEXPIREAT key expiry_ms, or PERSIST key for 0. */
void call_effect_expiry(struct call *call, const struct key *key, int64_t expiry_ms);
/* RESTORE key expiry payload REPLACE ABSTTL: a value in its serialised form (dump.h). */
void call_effect_restore(struct call *call, const struct key *key, struct slice payload,
                         int64_t expiry_ms);
/* The effect of a value that no command spells out: of COPY, RENAME, SINTERSTORE, SORT STORE ... A
 * string's is SET, a container's RESTORE with its serialised form. It takes memory, so it is made
 * before the change, from the value as it will be stored, and emitted after it. */
struct call_image {
    struct blob *bytes; /* NULL: nobody listens, or it is a string */
};
enum larder_status call_image_create(struct call *call, const struct key *key,
                                     const struct value *value,
                                     struct call_image *out) LARDER_NODISCARD;
/* Emit it for the key, and drop it. `value` is what was stored. */
void call_effect_image(struct call *call, struct call_image *image, const struct key *key,
                       const struct value *value, int64_t expiry_ms);
/* Not needed after all. */
void call_image_destroy(struct call_image *image);
/* Room for an effect that carries `size` bytes beyond the command's own arguments. */
enum larder_status call_reserve_effect(struct call *call, size_t size) LARDER_NODISCARD;

/* Execute one part of an effect record by the functions of this table, under the lock of
 * part->partition. Nothing expires by time and nothing is emitted. A part of a collection that no
 * database holds any more (it was flushed) does nothing. A part of FLUSHDB or SWAPDB is applied
 * under all partition locks; the entries of ids that are no database's then are left to
 * partition_drop_dead. `scratch` is used and left as it was.
 * Errors: LARDER_NO_MEMORY, nothing changed; LARDER_CORRUPT when the part is not what a command of
 * this table emits. */
enum larder_status call_apply_effect(struct keyspace *keyspace, struct store_thread *thread,
                                     const struct effect_part *part, const struct slice *arguments,
                                     struct reply *scratch)
    REQUIRES(PARTITION_LOCK) LARDER_NODISCARD;

/* ---- arguments ---- */

/* Note for a command that is to wait that argument `index` is to be `text` (at most 48 bytes) when
 * it is called again. Errors: LARDER_NO_MEMORY. */
enum larder_status call_wait_argument(struct call *call, size_t index,
                                      struct slice text) LARDER_NODISCARD;
/* Parse the timeout of a blocking command, seconds as a float (is_ms: an integer of milliseconds,
 * as XREAD's) into call->wait.until_ms. False: the known error was replied. */
bool call_timeout(struct call *call, struct slice text, bool is_ms);

/* Parse an argument as Redis does, writing the known error reply when it is not one. */
bool call_integer(struct call *call, struct slice text, int64_t *out);
/* The decimal or scientific float that Redis accepts (no spaces, inf allowed, no nan). */
bool call_double(struct call *call, struct slice text, double *out);
/* Writes "ERR syntax error". Returns LARDER_OK, so that commands can `return call_syntax_error(c)`.
 */
enum larder_status call_syntax_error(struct call *call);
enum larder_status call_wrong_type(struct call *call);
/* "ERR wrong number of arguments for 'name' command" */
enum larder_status call_wrong_arity(struct call *call);

#endif
