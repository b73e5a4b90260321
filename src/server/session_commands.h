/* SPDX-License-Identifier: BSD-3-Clause */
/* Functions of the commands about sessions and the server, by the file they are in. */
#ifndef LARDER_SERVER_SESSION_COMMANDS_H
#define LARDER_SERVER_SESSION_COMMANDS_H

#include "server/acl_commands.h"
#include "server/pubsub_commands.h"
#include "server/script_commands.h"
#include "server/session.h"
#include "server/tracking_commands.h"
#include "server/transaction_commands.h"

/* session_commands.c: the HELP of every container, made from the descriptions of its subcommands */
void session_command_help(struct session *session, struct call *call);
/* "ERR unknown subcommand or wrong number of arguments for 'GET'. Try SLOWLOG HELP." */
void session_refuse_subcommand(struct call *call);
/* Bring what other threads see of the session's flags and protocol up to date. */
void session_show_flags(struct session *session);

#define SESSION_COMMAND(name)                                                                      \
    void session_command_##name(struct session *session, struct call *call)

/* connection_commands.c */
SESSION_COMMAND(ping);
SESSION_COMMAND(echo);
SESSION_COMMAND(quit);
SESSION_COMMAND(select);
SESSION_COMMAND(auth);
SESSION_COMMAND(hello);
SESSION_COMMAND(reset);

/* client_commands.c */
SESSION_COMMAND(client_id);
SESSION_COMMAND(client_info);
SESSION_COMMAND(client_list);
SESSION_COMMAND(client_kill);
SESSION_COMMAND(client_pause);
SESSION_COMMAND(client_unpause);
SESSION_COMMAND(client_reply);
SESSION_COMMAND(client_setname);
SESSION_COMMAND(client_getname);
SESSION_COMMAND(client_setinfo);
SESSION_COMMAND(client_no_evict);
SESSION_COMMAND(client_no_touch);
SESSION_COMMAND(client_capa);

/* config_commands.c */
SESSION_COMMAND(config_get);
SESSION_COMMAND(config_set);
SESSION_COMMAND(config_rewrite);
SESSION_COMMAND(config_resetstat);

/* command_commands.c, command_docs.c */
SESSION_COMMAND(command);
SESSION_COMMAND(command_count);
SESSION_COMMAND(command_info);
SESSION_COMMAND(command_docs);
SESSION_COMMAND(command_list);
SESSION_COMMAND(command_getkeys);
SESSION_COMMAND(command_getkeysandflags);

/* The command or subcommand ("config|get") with this full name, if it is built; else NULL. */
const struct command_spec *command_find_full(struct slice name);

/* keyspace_commands.c */
SESSION_COMMAND(scan);
SESSION_COMMAND(keys);
SESSION_COMMAND(randomkey);
SESSION_COMMAND(dbsize);
SESSION_COMMAND(flushdb);
SESSION_COMMAND(flushall);
SESSION_COMMAND(swapdb);

/* server_commands.c */
SESSION_COMMAND(time);
SESSION_COMMAND(role);
SESSION_COMMAND(wait);
SESSION_COMMAND(shutdown);
SESSION_COMMAND(monitor);
SESSION_COMMAND(slowlog_get);
SESSION_COMMAND(slowlog_len);
SESSION_COMMAND(slowlog_reset);

/* latency_commands.c */
SESSION_COMMAND(latency_latest);
SESSION_COMMAND(latency_history);
SESSION_COMMAND(latency_reset);
SESSION_COMMAND(latency_doctor);
SESSION_COMMAND(latency_graph);
SESSION_COMMAND(latency_histogram);

/* memory_commands.c */
SESSION_COMMAND(memory_usage);
SESSION_COMMAND(memory_stats);
SESSION_COMMAND(memory_doctor);
SESSION_COMMAND(memory_purge);
SESSION_COMMAND(memory_malloc_stats);

/* info.c, debug_commands.c, lolwut.c */
SESSION_COMMAND(info);
SESSION_COMMAND(debug);
SESSION_COMMAND(lolwut);

/* Larger subjects have a header each with their rows. */
#define COMMAND_ROW(id, function) void function(struct session *session, struct call *call);
ACL_COMMANDS(COMMAND_ROW)
PUBSUB_COMMANDS(COMMAND_ROW)
SCRIPT_COMMANDS(COMMAND_ROW)
TRACKING_COMMANDS(COMMAND_ROW)
TRANSACTION_COMMANDS(COMMAND_ROW)
#undef COMMAND_ROW
/* pubsub_commands.c */
SESSION_COMMAND(subscribe);
SESSION_COMMAND(psubscribe);
SESSION_COMMAND(ssubscribe);
SESSION_COMMAND(unsubscribe);
SESSION_COMMAND(punsubscribe);
SESSION_COMMAND(sunsubscribe);
SESSION_COMMAND(publish);
SESSION_COMMAND(spublish);
SESSION_COMMAND(pubsub_channels);
SESSION_COMMAND(pubsub_shardchannels);
SESSION_COMMAND(pubsub_numsub);
SESSION_COMMAND(pubsub_shardnumsub);
SESSION_COMMAND(pubsub_numpat);

#undef SESSION_COMMAND

#endif
