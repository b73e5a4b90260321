/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands about channels: rows of the table in session_commands.c. */
#ifndef LARDER_SERVER_PUBSUB_COMMANDS_H
#define LARDER_SERVER_PUBSUB_COMMANDS_H

/* ROW(command id without COMMAND_, function) */
#define PUBSUB_COMMANDS(ROW)                                                                       \
    ROW(PSUBSCRIBE, session_command_psubscribe)                                                    \
    ROW(PUBLISH, session_command_publish)                                                          \
    ROW(PUBSUB_CHANNELS, session_command_pubsub_channels)                                          \
    ROW(PUBSUB_HELP, session_command_help)                                                         \
    ROW(PUBSUB_NUMPAT, session_command_pubsub_numpat)                                              \
    ROW(PUBSUB_NUMSUB, session_command_pubsub_numsub)                                              \
    ROW(PUBSUB_SHARDCHANNELS, session_command_pubsub_shardchannels)                                \
    ROW(PUBSUB_SHARDNUMSUB, session_command_pubsub_shardnumsub)                                    \
    ROW(PUNSUBSCRIBE, session_command_punsubscribe)                                                \
    ROW(SPUBLISH, session_command_spublish)                                                        \
    ROW(SSUBSCRIBE, session_command_ssubscribe)                                                    \
    ROW(SUBSCRIBE, session_command_subscribe)                                                      \
    ROW(SUNSUBSCRIBE, session_command_sunsubscribe)                                                \
    ROW(UNSUBSCRIBE, session_command_unsubscribe)

#endif
