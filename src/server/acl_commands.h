/* SPDX-License-Identifier: BSD-3-Clause */
/* Commands about users and permissions: rows of the table in session_commands.c. */
#ifndef LARDER_SERVER_ACL_COMMANDS_H
#define LARDER_SERVER_ACL_COMMANDS_H

/* ROW(command id without COMMAND_, function) */
#define ACL_COMMANDS(ROW)                                                                          \
    ROW(ACL_CAT, session_command_acl_cat)                                                          \
    ROW(ACL_DELUSER, session_command_acl_deluser)                                                  \
    ROW(ACL_DRYRUN, session_command_acl_dryrun)                                                    \
    ROW(ACL_GENPASS, session_command_acl_genpass)                                                  \
    ROW(ACL_GETUSER, session_command_acl_getuser)                                                  \
    ROW(ACL_HELP, session_command_help)                                                            \
    ROW(ACL_LIST, session_command_acl_list)                                                        \
    ROW(ACL_LOAD, session_command_acl_load)                                                        \
    ROW(ACL_LOG, session_command_acl_log)                                                          \
    ROW(ACL_SAVE, session_command_acl_save)                                                        \
    ROW(ACL_SETUSER, session_command_acl_setuser)                                                  \
    ROW(ACL_USERS, session_command_acl_users)                                                      \
    ROW(ACL_WHOAMI, session_command_acl_whoami)

#endif
