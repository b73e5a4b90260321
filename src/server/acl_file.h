/* SPDX-License-Identifier: BSD-3-Clause */
/* Users in files: lines "user NAME rules ..." of the configuration or of a file of their own
 * (aclfile). All blocks on files; one thread at a time, which CONFIG_LOCK sees to. */
#ifndef LARDER_SERVER_ACL_FILE_H
#define LARDER_SERVER_ACL_FILE_H

#include "base/text_buffer.h"
#include "server/acl.h"

/* The users of the configuration, or of its aclfile; both is an error. Errors: LARDER_NO_MEMORY;
 * LARDER_INVALID, LARDER_IO and those of reading files, with a text. */
enum larder_status acl_load_at_start(struct server *server, struct error_text *error)
    REQUIRES(CONFIG_LOCK) LARDER_NODISCARD;

/* Replace all users by those of the aclfile, or leave all. `errors` gets what is wrong with which
 * line. Errors: LARDER_NO_MEMORY; LARDER_INVALID and those of reading files, with text. */
enum larder_status acl_load_file(struct server *server, struct text_buffer *errors)
    REQUIRES(CONFIG_LOCK) LARDER_NODISCARD;
/* Write all users to the aclfile; a crash leaves the old file or the new one. Errors: those of
 * file_write_atomically. */
enum larder_status acl_save_file(struct server *server, struct error_text *error)
    REQUIRES(CONFIG_LOCK) LARDER_NODISCARD;

/* The users of a text, one line each; "default" is added when the text has none, with the password
 * given. Returns owned, for acl_list_destroy or acl_publish_all. `path` names the text in errors.
 * Errors: LARDER_NO_MEMORY; LARDER_INVALID with all that is wrong in `errors`. */
struct acl_parse {
    const struct allocator *allocator;
    const char *path;
    bool with_all_channels; /* acl-pubsub-default */
    struct slice default_password;
    struct text_buffer *errors;
    struct acl_user **users; /* out */
    size_t count, capacity;
};
enum larder_status acl_parse_text(struct acl_parse *parse, struct slice text) LARDER_NODISCARD;
/* What is left in it. */
void acl_parse_finish(struct acl_parse *parse);

/* Make the configuration's `user` lines say what the table says, for CONFIG REWRITE. Errors:
 * LARDER_NO_MEMORY, then they are as they were. */
enum larder_status acl_note_in_config(struct server *server) REQUIRES(CONFIG_LOCK) LARDER_NODISCARD;

#endif
