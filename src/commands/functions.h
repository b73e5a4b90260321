/* SPDX-License-Identifier: BSD-3-Clause */
/* The functions of all commands that work on keys, in the order of the table in functions.c. Each
 * follows the contract of commands/call.h; its name is that of the command, which is what it does.
 * Private to src/commands; the node goes through command_functions. */
#ifndef LARDER_COMMANDS_FUNCTIONS_H
#define LARDER_COMMANDS_FUNCTIONS_H

#include "commands/call.h"
#include "commands/dump_commands.h"
#include "commands/geo_commands.h"
#include "commands/hash_commands.h"
#include "commands/hyperloglog_commands.h"
#include "commands/list_commands.h"
#include "commands/set_commands.h"
#include "commands/sort_commands.h"
#include "commands/sorted_set_commands.h"
#include "commands/stream_commands.h"

#define COMMAND_FUNCTION(name)                                                                     \
    enum larder_status command_##name(struct call *call) REQUIRES(PARTITION_LOCK)

/* string_set.c */
COMMAND_FUNCTION(set);
COMMAND_FUNCTION(setnx);
COMMAND_FUNCTION(setex);
COMMAND_FUNCTION(psetex);
COMMAND_FUNCTION(getset);
/* string_multi.c */
COMMAND_FUNCTION(mget);
COMMAND_FUNCTION(mset);
COMMAND_FUNCTION(msetnx);
/* string_get.c */
COMMAND_FUNCTION(get);
COMMAND_FUNCTION(getex);
COMMAND_FUNCTION(getdel);
COMMAND_FUNCTION(delifeq);
COMMAND_FUNCTION(strlen);
COMMAND_FUNCTION(getrange); /* and SUBSTR */
/* string_edit.c */
COMMAND_FUNCTION(append);
COMMAND_FUNCTION(setrange);
/* string_number.c */
COMMAND_FUNCTION(incr);
COMMAND_FUNCTION(decr);
COMMAND_FUNCTION(incrby);
COMMAND_FUNCTION(decrby);
COMMAND_FUNCTION(incrbyfloat);
/* string_lcs.c */
COMMAND_FUNCTION(lcs);

/* bitmap.c */
COMMAND_FUNCTION(setbit);
COMMAND_FUNCTION(getbit);
COMMAND_FUNCTION(bitcount);
COMMAND_FUNCTION(bitpos);
/* bitop.c */
COMMAND_FUNCTION(bitop);
/* bitfield.c */
COMMAND_FUNCTION(bitfield);
COMMAND_FUNCTION(bitfield_ro);

/* generic.c */
COMMAND_FUNCTION(del); /* and UNLINK */
COMMAND_FUNCTION(exists);
COMMAND_FUNCTION(touch);
COMMAND_FUNCTION(type);
/* object.c */
COMMAND_FUNCTION(object_encoding);
COMMAND_FUNCTION(object_freq);
COMMAND_FUNCTION(object_help);
COMMAND_FUNCTION(object_idletime);
COMMAND_FUNCTION(object_refcount);
/* expire.c */
COMMAND_FUNCTION(ttl);
COMMAND_FUNCTION(pttl);
COMMAND_FUNCTION(expiretime);
COMMAND_FUNCTION(pexpiretime);
COMMAND_FUNCTION(expire);
COMMAND_FUNCTION(pexpire);
COMMAND_FUNCTION(expireat);
COMMAND_FUNCTION(pexpireat);
COMMAND_FUNCTION(persist);
/* rename.c */
COMMAND_FUNCTION(rename);
COMMAND_FUNCTION(renamenx);
COMMAND_FUNCTION(copy);
COMMAND_FUNCTION(move);

/* Data types have a header each with their rows. */
#define COMMAND_ROW(id, function)                                                                  \
    enum larder_status function(struct call *call) REQUIRES(PARTITION_LOCK);
LIST_COMMANDS(COMMAND_ROW)
SET_COMMANDS(COMMAND_ROW)
HASH_COMMANDS(COMMAND_ROW)
SORTED_SET_COMMANDS(COMMAND_ROW)
STREAM_COMMANDS(COMMAND_ROW)
HYPERLOGLOG_COMMANDS(COMMAND_ROW)
GEO_COMMANDS(COMMAND_ROW)
DUMP_COMMANDS(COMMAND_ROW)
SORT_COMMANDS(COMMAND_ROW)
#undef COMMAND_ROW
#undef COMMAND_FUNCTION

#endif
