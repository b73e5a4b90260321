/* SPDX-License-Identifier: BSD-3-Clause */
/* Which slot a command belongs to: the CRC16 of its first key, or of the key's {tag} (Redis and
 * Valkey cluster specification). Where the first key stands comes from the command descriptions. */
#ifndef LARDER_CLIENT_SLOT_H
#define LARDER_CLIENT_SLOT_H

#include <stdbool.h>
#include <stddef.h>

unsigned slot_of_key(const char *key, size_t size);

enum slot_result { SLOT_FOUND, SLOT_NO_KEY, SLOT_UNKNOWN_COMMAND, SLOT_MALFORMED };

/* The slot of a command on the wire. *out_name, *out_name_size: its first word, borrowed from it,
 * unless it is malformed. */
enum slot_result slot_of_command(const char *command, size_t size, unsigned *out_slot,
                                 const char **out_name, size_t *out_name_size);

/* Where a command goes that has no key, or keys of several slots; from its description's tips. */
enum spread {
    SPREAD_ONE,       /* any one node */
    SPREAD_PRIMARIES, /* all nodes that serve slots */
    SPREAD_NODES,     /* all nodes */
    SPREAD_SPLIT,     /* in parts, by the slots of its keys */
    SPREAD_SPECIAL,   /* it can't be sent to several nodes as it is */
};

/* How the replies of several nodes become one. */
enum merge {
    MERGE_ARRAYS, /* their elements in one array */
    MERGE_NONE,   /* an array with one reply per node */
    MERGE_ONE_SUCCEEDED,
    MERGE_ALL_SUCCEEDED,
    MERGE_SUM,
    MERGE_MIN,
    MERGE_MAX,
    MERGE_AND,
    MERGE_OR,
};

struct command_traits {
    bool is_readonly;  /* a replica may answer it */
    bool is_cacheable; /* it reads the one key that is its only one, and nothing else */
    enum spread spread;
    enum merge merge;
    int key_step; /* SPREAD_SPLIT: words per key; keys begin with word 1 */
};

/* The first key of a command, borrowed from it; false: there is none. */
bool command_key_of(const char *command, size_t size, const char **out_key, size_t *out_size);
/* False: an unknown or malformed command. */
bool command_traits_of(const char *command, size_t size, struct command_traits *out);

#endif
