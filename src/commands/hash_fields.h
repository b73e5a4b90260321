/* SPDX-License-Identifier: BSD-3-Clause */
/* What the commands on expiring fields have in common: FIELDS numfields field ..., times, and the
 * changes of one field with their effects. Private to src/commands. */
#ifndef LARDER_COMMANDS_HASH_FIELDS_H
#define LARDER_COMMANDS_HASH_FIELDS_H

#include "commands/hash_value.h"
#include "commands/string_value.h"

struct hash_fields {
    const struct slice *items; /* fields, or fields and values in turn */
    size_t count;              /* fields */
};

/* Which error answers a missing FIELDS and a wrong number of fields: commands differ. */
enum hash_fields_style {
    HASH_FIELDS_SYNTAX,       /* always a syntax error */
    HASH_FIELDS_NUMBER,       /* always that the number is wrong */
    HASH_FIELDS_WORD_MISSING, /* a syntax error when the word is missing */
};

/* Index of the first word FIELDS from argv[from] on that has one behind it; argc: there is none,
 * and hash_fields_parse refuses that. */
size_t hash_fields_word(const struct call *call, size_t from);

/* Read "FIELDS numfields ..." from argv[at] to the end, `width` words for each field. False: the
 * known error was replied. */
bool hash_fields_parse(struct call *call, size_t at, size_t width, enum hash_fields_style style,
                       struct hash_fields *out);

/* The time that `text` stands for in ms, at least 1; `time` as string_lifetime has it. False: it is
 * negative or out of range, the known error was replied. */
bool hash_fields_time(struct call *call, struct slice text, unsigned time, int64_t *out_ms);

/* A change of several fields. */
struct hash_change {
    struct object_edit edit;
    size_t set, removed, persisted; /* fields that got or lost a time, or are gone */
};

/* Begin. False: WRONGTYPE was replied. */
bool hash_change_begin(struct call *call, struct hash_change *out) REQUIRES(PARTITION_LOCK);
/* Memory for what is to come, reply and effects; `expiry_ms`: times will be given. Errors:
 * LARDER_NO_MEMORY, and the edit is left. */
enum larder_status hash_change_reserve(struct call *call, struct hash_change *change,
                                       const struct hash_fields *fields, bool gives_times)
    REQUIRES(PARTITION_LOCK) LARDER_NODISCARD;
/* Of a field that is there: give it a time, or remove it when that is over; 0 takes its time away.
 * With the effect. Whether it was removed. */
bool hash_change_time(struct call *call, struct hash_change *change, struct slice field,
                      int64_t expiry_ms) REQUIRES(PARTITION_LOCK);
/* Remove a field that is there, with the effect. */
void hash_change_remove(struct call *call, struct hash_change *change, struct slice field)
    REQUIRES(PARTITION_LOCK);
/* Tell of what was done, and commit or leave. Can't fail. */
void hash_change_end(struct call *call, struct hash_change *change, const char *removal_event)
    REQUIRES(PARTITION_LOCK);

#endif
