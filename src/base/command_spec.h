/* SPDX-License-Identifier: BSD-3-Clause */
/* What is known about a command without its code: name, arity, flags, categories, where its keys
 * are, and its documentation. The values are generated from commands/ into constant tables; this
 * header only gives them a shape. Everything is immutable and static. Any thread. */
#ifndef LARDER_BASE_COMMAND_SPEC_H
#define LARDER_BASE_COMMAND_SPEC_H

#include <stddef.h>
#include <stdint.h>

/* Bits of command_spec.flags, in the order in which COMMAND INFO lists them. Words marked hidden
 * are not listed there. */
#define COMMAND_FLAG_TABLE(ROW)                                                                    \
    ROW(WRITE, 0, "write")                                                                         \
    ROW(READONLY, 1, "readonly")                                                                   \
    ROW(DENYOOM, 2, "denyoom")                                                                     \
    ROW(ADMIN, 3, "admin")                                                                         \
    ROW(PUBSUB, 4, "pubsub")                                                                       \
    ROW(NOSCRIPT, 5, "noscript")                                                                   \
    ROW(BLOCKING, 6, "blocking")                                                                   \
    ROW(LOADING, 7, "loading")                                                                     \
    ROW(STALE, 8, "stale")                                                                         \
    ROW(SKIP_MONITOR, 9, "skip_monitor")                                                           \
    ROW(SKIP_SLOWLOG, 10, "skip_slowlog")                                                          \
    ROW(ASKING, 11, "asking")                                                                      \
    ROW(FAST, 12, "fast")                                                                          \
    ROW(NO_AUTH, 13, "no_auth")                                                                    \
    ROW(MAY_REPLICATE, 14, "may_replicate") /* hidden: a read that may leave an effect */          \
    ROW(NO_MANDATORY_KEYS, 15, "no_mandatory_keys")                                                \
    ROW(PROTECTED, 16, "protected") /* hidden: needs an enable-... directive */                    \
    ROW(NO_ASYNC_LOADING, 17, "no_async_loading")                                                  \
    ROW(NO_MULTI, 18, "no_multi")                                                                  \
    ROW(MOVABLEKEYS, 19, "movablekeys")                                                            \
    ROW(ALLOW_BUSY, 20, "allow_busy")

enum command_flag {
#define COMMAND_FLAG_ENUM(name, bit, text) COMMAND_FLAG_##name = 1 << (bit),
    COMMAND_FLAG_TABLE(COMMAND_FLAG_ENUM)
#undef COMMAND_FLAG_ENUM
};

/* Flags that COMMAND INFO does not list. */
enum { COMMAND_FLAGS_HIDDEN = COMMAND_FLAG_MAY_REPLICATE | COMMAND_FLAG_PROTECTED };

/* Bits of command_spec.categories, in the order in which COMMAND INFO and ACL CAT list them. */
#define COMMAND_CATEGORY_TABLE(ROW)                                                                \
    ROW(KEYSPACE, 0, "keyspace")                                                                   \
    ROW(READ, 1, "read")                                                                           \
    ROW(WRITE, 2, "write")                                                                         \
    ROW(SET, 3, "set")                                                                             \
    ROW(SORTEDSET, 4, "sortedset")                                                                 \
    ROW(LIST, 5, "list")                                                                           \
    ROW(HASH, 6, "hash")                                                                           \
    ROW(STRING, 7, "string")                                                                       \
    ROW(BITMAP, 8, "bitmap")                                                                       \
    ROW(HYPERLOGLOG, 9, "hyperloglog")                                                             \
    ROW(GEO, 10, "geo")                                                                            \
    ROW(STREAM, 11, "stream")                                                                      \
    ROW(PUBSUB, 12, "pubsub")                                                                      \
    ROW(ADMIN, 13, "admin")                                                                        \
    ROW(FAST, 14, "fast")                                                                          \
    ROW(SLOW, 15, "slow")                                                                          \
    ROW(BLOCKING, 16, "blocking")                                                                  \
    ROW(DANGEROUS, 17, "dangerous")                                                                \
    ROW(CONNECTION, 18, "connection")                                                              \
    ROW(TRANSACTION, 19, "transaction")                                                            \
    ROW(SCRIPTING, 20, "scripting")

enum command_category {
#define COMMAND_CATEGORY_ENUM(name, bit, text) COMMAND_CATEGORY_##name = 1 << (bit),
    COMMAND_CATEGORY_TABLE(COMMAND_CATEGORY_ENUM)
#undef COMMAND_CATEGORY_ENUM
};

/* Bits of command_key_spec.flags, in the order and spelling of COMMAND INFO. The first four say
 * what happens to the value as a whole, the next four what happens to the user's data in it. */
#define COMMAND_KEY_FLAG_TABLE(ROW)                                                                \
    ROW(RO, 0, "RO")                                                                               \
    ROW(RW, 1, "RW")                                                                               \
    ROW(OW, 2, "OW")                                                                               \
    ROW(RM, 3, "RM")                                                                               \
    ROW(ACCESS, 4, "access")                                                                       \
    ROW(UPDATE, 5, "update")                                                                       \
    ROW(INSERT, 6, "insert")                                                                       \
    ROW(DELETE, 7, "delete")                                                                       \
    ROW(NOT_KEY, 8, "not_key") /* hashed to a slot like a key, but names no value */               \
    ROW(INCOMPLETE, 9, "incomplete")                                                               \
    ROW(VARIABLE_FLAGS, 10, "variable_flags")

enum command_key_flag {
#define COMMAND_KEY_FLAG_ENUM(name, bit, text) COMMAND_KEY_##name = 1 << (bit),
    COMMAND_KEY_FLAG_TABLE(COMMAND_KEY_FLAG_ENUM)
#undef COMMAND_KEY_FLAG_ENUM
};

enum command_key_begin {
    COMMAND_KEY_BEGIN_UNKNOWN,
    COMMAND_KEY_BEGIN_INDEX,   /* at word `index` */
    COMMAND_KEY_BEGIN_KEYWORD, /* after the word `keyword`, searched from word `start_from` on, or
                                  backwards from that many words before the end if negative */
};

enum command_key_find {
    COMMAND_KEY_FIND_UNKNOWN,
    COMMAND_KEY_FIND_RANGE,   /* every `step` words up to `last` */
    COMMAND_KEY_FIND_NUMKEYS, /* a count, then that many keys */
};

/* One rule that finds keys. Positions count from the command name, which is word 0; positions
 * under `find` count from where `begin` ended up. */
struct command_key_spec {
    uint16_t flags; /* COMMAND_KEY_ bits */
    uint8_t begin;  /* enum command_key_begin */
    uint8_t find;   /* enum command_key_find */
    int16_t index;
    int16_t start_from;
    int16_t last;  /* range: last key after the first; negative: from the end of all words */
    int16_t step;  /* words from key to key */
    int16_t limit; /* range with last -1: use only the first 1/limit of what follows; 0: all */
    int16_t numkeys_index;
    int16_t first; /* numkeys: first key after the begin */
    const char *keyword;
    const char *notes; /* NULL if there is nothing to say */
};

/* How keys are found where the specs say unknown, incomplete or variable flags, or fail. */
enum command_key_method {
    COMMAND_KEY_METHOD_SPECS,   /* specs alone */
    COMMAND_KEY_METHOD_NUMKEYS, /* specs; a count they refuse is read up to its first non-digit */
    COMMAND_KEY_METHOD_SORT,
    COMMAND_KEY_METHOD_SORT_RO,
    COMMAND_KEY_METHOD_MIGRATE,
    COMMAND_KEY_METHOD_XREAD,
    COMMAND_KEY_METHOD_SET,
    COMMAND_KEY_METHOD_BITFIELD,
};

enum command_argument_type {
    COMMAND_ARGUMENT_STRING,
    COMMAND_ARGUMENT_INTEGER,
    COMMAND_ARGUMENT_DOUBLE,
    COMMAND_ARGUMENT_KEY,
    COMMAND_ARGUMENT_PATTERN,
    COMMAND_ARGUMENT_UNIX_TIME,
    COMMAND_ARGUMENT_PURE_TOKEN,
    COMMAND_ARGUMENT_ONEOF, /* exactly one of the nested arguments */
    COMMAND_ARGUMENT_BLOCK, /* all nested arguments, in order */
};

enum command_argument_flag {
    COMMAND_ARGUMENT_OPTIONAL = 1,
    COMMAND_ARGUMENT_MULTIPLE = 2,       /* may be repeated */
    COMMAND_ARGUMENT_MULTIPLE_TOKEN = 4, /* repeated together with its token */
};

/* A node of the argument tree of COMMAND DOCS. */
struct command_argument {
    const char *name;
    const char *display_text; /* NULL: the name (oneof and block show none) */
    const char *token;        /* NULL: no token; "" is a token too */
    const char *since;        /* NULL: as old as the command */
    const char *deprecated_since;
    uint8_t type;           /* enum command_argument_type */
    uint8_t flags;          /* COMMAND_ARGUMENT_ bits */
    int16_t key_spec_index; /* -1: not a key */
    uint16_t argument_count;
    const struct command_argument *arguments;
};

/* Bits of command_spec.reply_types, in RESP3 terms. */
enum command_reply_type {
    COMMAND_REPLY_SIMPLE_STRING = 1 << 0,
    COMMAND_REPLY_BULK_STRING = 1 << 1,
    COMMAND_REPLY_INTEGER = 1 << 2,
    COMMAND_REPLY_DOUBLE = 1 << 3,
    COMMAND_REPLY_BOOLEAN = 1 << 4,
    COMMAND_REPLY_NULL = 1 << 5,
    COMMAND_REPLY_ARRAY = 1 << 6,
    COMMAND_REPLY_MAP = 1 << 7,
    COMMAND_REPLY_SET = 1 << 8,
    COMMAND_REPLY_VERBATIM_STRING = 1 << 9,
    COMMAND_REPLY_PUSH = 1 << 10,
    COMMAND_REPLY_ANY = 1 << 11,
    COMMAND_REPLY_NONE = 1 << 12,
};

enum command_doc_flag {
    COMMAND_DOC_DEPRECATED = 1,
    COMMAND_DOC_SYSCMD = 2, /* sent by servers and tools, not by applications */
};

struct command_history {
    const char *version;
    const char *text;
};

struct command_spec {
    const char *name;       /* lower case full name: "get", "config|get" */
    const char *short_name; /* without the container: "get" */
    int16_t id;             /* enum command_id of the generated table */
    int16_t parent;         /* id of the container, -1 if there is none */
    int16_t arity;          /* number of words with the name(s); negative: at least that many */
    int16_t first_key;      /* plain ranges as one: first, last (negative: from the end), step; */
    int16_t last_key;       /* all 0 if there are none */
    int16_t key_step;
    uint8_t key_method; /* enum command_key_method */
    uint8_t doc_flags;  /* COMMAND_DOC_ bits */
    uint16_t reply_types;
    uint64_t flags;      /* COMMAND_FLAG_ bits */
    uint64_t categories; /* COMMAND_CATEGORY_ bits, implied ones included */
    const struct command_key_spec *key_specs;
    size_t key_spec_count;
    const struct command_spec *subcommands; /* sorted by name */
    size_t subcommand_count;
    const struct command_argument *arguments;
    size_t argument_count;
    const char *summary;
    const char *since;
    const char *group;
    const char *complexity;       /* NULL if there is nothing to say */
    const char *deprecated_since; /* NULL unless COMMAND_DOC_DEPRECATED */
    const char *replaced_by;
    const char *const *tips;
    size_t tip_count;
    const struct command_history *history;
    size_t history_count;
};

#endif
