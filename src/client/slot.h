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

#endif
