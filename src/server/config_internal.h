/* SPDX-License-Identifier: BSD-3-Clause */
/* Shared by the files of config: the codecs and checks that rows name, and the one way in which a
 * directive of a file or of the command line takes effect. */
#ifndef LARDER_SERVER_CONFIG_INTERNAL_H
#define LARDER_SERVER_CONFIG_INTERNAL_H

#include "server/config.h"

extern const struct option_codec CONFIG_HZ_CODEC;
extern const struct option_codec CONFIG_OUTPUT_LIMIT_CODEC;
extern const struct option_codec CONFIG_SAVE_CODEC;
extern const struct option_codec CONFIG_REPLICAOF_CODEC;
extern const struct option_codec CONFIG_EVENTS_CODEC;
extern const struct option_codec CONFIG_OOM_SCORE_CODEC;

/* Each returns NULL or a static text that says why the value is refused. */
const char *config_check_dir(const union option_value *value);
const char *config_check_file_name(const union option_value *value);
const char *config_check_folder_name(const union option_value *value);
const char *config_check_snapshot_name(const union option_value *value);
const char *config_check_host_name(const union option_value *value);
const char *config_check_title_template(const union option_value *value);
const char *config_check_shutdown(const union option_value *value);

/* Deepest nesting of include. */
enum { CONFIG_INCLUDE_DEPTH = 16 };

/* One load: the options met so far (they decide where repeated directives start from). */
struct config_loader {
    struct server_config *config;
    struct config_warnings warnings;
    struct config_error *error;
    bool is_seen[CONFIG_OPTION_MAX];
    bool follows_includes;
    int depth; /* of include */
};

/* Where a directive stands, for messages. */
struct config_place {
    const char *source;
    size_t line;       /* from 1; 0 on the command line */
    struct slice text; /* the directive as it was written */
};

/* Set the option named by words[0] to the other words. Errors as config_load. */
LARDER_NODISCARD
enum larder_status config_load_directive(struct config_loader *loader,
                                         const struct config_place *place,
                                         const struct slice *words, size_t count);

/* Read a whole file; "-" is standard input. Appends to `out`, which the caller releases in any
 * case. Blocks. Errors: LARDER_IO with a text; LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status config_read_file(const char *path, struct option_output *out,
                                    struct config_error *out_error);

/* An owned copy; release with config_release_text. Errors: LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status config_copy_text(const struct allocator *allocator, struct slice text,
                                    struct option_text *out_text);
void config_release_text(const struct allocator *allocator, struct option_text *text);

/* Write the message of LARDER_NO_MEMORY and return it. */
LARDER_NODISCARD
enum larder_status config_no_memory(struct config_error *out_error);

/* Read one file and what it includes. */
LARDER_NODISCARD
enum larder_status config_load_file(struct config_loader *loader, const char *path);

/* Read the lines of a text. */
LARDER_NODISCARD
enum larder_status config_load_lines(struct config_loader *loader, const char *source,
                                     struct slice text);

/* Say that a value of this option is stored and changes nothing, unless it is the default. */
void config_warn_no_effect(const struct server_config *config, const struct option *option,
                           struct config_warnings warnings);

/* Append `name arguments\n` as a line of a configuration file, or for OPTION_LINES one line per
 * item from `first` on. */
void config_write_option(const struct server_config *config, const struct option *option,
                         size_t first, struct option_output *output);

/* Do both hold the same value of this option? Errors: LARDER_NO_MEMORY. */
LARDER_NODISCARD
enum larder_status config_same_value(const struct server_config *a, const struct server_config *b,
                                     const struct option *option, bool *out_same);

#endif
