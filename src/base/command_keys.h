/* SPDX-License-Identifier: BSD-3-Clause */
/* Which words of a command are keys, and what happens to each: the answer of COMMAND
 * GETKEYSANDFLAGS. Pure functions over immutable specs. Nothing allocates or blocks. Any thread. */
#ifndef LARDER_BASE_COMMAND_KEYS_H
#define LARDER_BASE_COMMAND_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/command_spec.h"
#include "base/slice.h"
#include "base/status.h"

struct command_key {
    uint32_t position; /* index into argv */
    uint32_t flags;    /* COMMAND_KEY_ bits; 0 if unknown */
};

/* Where found keys go. */
struct command_keys {
    struct command_key *items; /* borrowed array of `capacity` items; may be NULL if that is 0 */
    size_t capacity;
    size_t count; /* out: keys in the command, also those past `capacity`, which are not written */
};

/* Whether a command of `argc` words (its name or names included) has a number that it accepts. */
static inline bool command_arity_fits(const struct command_spec *spec, size_t argc) {
    return spec->arity >= 0 ? argc == (size_t)spec->arity : argc >= (size_t)-spec->arity;
}

/* Whether the command may name keys at all. */
bool command_has_keys(const struct command_spec *spec);

/* Find the keys among the `argc` words of a command; argv[0] is its name. `spec` is that of the
 * subcommand if there is one. If keys->count ends up above keys->capacity, call again with more
 * room. A command that has no keys gives none.
 * Errors: LARDER_INVALID (the words do not name the keys that the command needs; count is 0). */
enum larder_status command_get_keys(const struct command_spec *spec, size_t argc,
                                    const struct slice *argv, struct command_keys *keys);

/* Same for the shard channels of a command (key specs with COMMAND_KEY_NOT_KEY), which are hashed
 * to slots like keys. */
enum larder_status command_get_channels(const struct command_spec *spec, size_t argc,
                                        const struct slice *argv, struct command_keys *keys);

#endif
