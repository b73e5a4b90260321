/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands about client tracking: rows of the table in session_commands.c. */
#ifndef LARDER_SERVER_TRACKING_COMMANDS_H
#define LARDER_SERVER_TRACKING_COMMANDS_H

/* ROW(command id without COMMAND_, function) */
#define TRACKING_COMMANDS(ROW)                                                                     \
    ROW(CLIENT_CACHING, session_command_client_caching)                                            \
    ROW(CLIENT_GETREDIR, session_command_client_getredir)                                          \
    ROW(CLIENT_TRACKING, session_command_client_tracking)                                          \
    ROW(CLIENT_TRACKINGINFO, session_command_client_trackinginfo)

#endif
