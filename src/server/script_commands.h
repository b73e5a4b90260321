/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands about scripts and functions: rows of the table in session_commands.c. */
#ifndef LARDER_SERVER_SCRIPT_COMMANDS_H
#define LARDER_SERVER_SCRIPT_COMMANDS_H

/* ROW(command id without COMMAND_, function) */
#define SCRIPT_COMMANDS(ROW)                                                                       \
    ROW(EVAL, session_command_eval)                                                                \
    ROW(EVAL_RO, session_command_eval)                                                             \
    ROW(EVALSHA, session_command_evalsha)                                                          \
    ROW(EVALSHA_RO, session_command_evalsha)                                                       \
    ROW(FCALL, session_command_fcall)                                                              \
    ROW(FCALL_RO, session_command_fcall)                                                           \
    ROW(FUNCTION_DELETE, session_command_function_delete)                                          \
    ROW(FUNCTION_DUMP, session_command_function_dump)                                              \
    ROW(FUNCTION_FLUSH, session_command_function_flush)                                            \
    ROW(FUNCTION_HELP, session_command_help)                                                       \
    ROW(FUNCTION_KILL, session_command_function_kill)                                              \
    ROW(FUNCTION_LIST, session_command_function_list)                                              \
    ROW(FUNCTION_LOAD, session_command_function_load)                                              \
    ROW(FUNCTION_RESTORE, session_command_function_restore)                                        \
    ROW(FUNCTION_STATS, session_command_function_stats)                                            \
    ROW(SCRIPT_DEBUG, session_command_script_debug)                                                \
    ROW(SCRIPT_EXISTS, session_command_script_exists)                                              \
    ROW(SCRIPT_FLUSH, session_command_script_flush)                                                \
    ROW(SCRIPT_HELP, session_command_help)                                                         \
    ROW(SCRIPT_KILL, session_command_script_kill)                                                  \
    ROW(SCRIPT_LOAD, session_command_script_load)                                                  \
    ROW(SCRIPT_SHOW, session_command_script_show)

#endif
