/* SPDX-License-Identifier: BSD-3-Clause */
/* CONFIG REWRITE. The file on disk is loaded into a second config: options whose value there is the
 * present one keep their lines untouched. A changed option gets its new line where its last line
 * was, its other lines go, and what the file does not mention is appended. Directives that add up
 * line by line (rename-command, loadmodule) are only ever appended to; users are written anew. */
#include "server/config_internal.h"

#include <stdio.h>

#include "os/file.h"

static const char APPEND_HEADING[] = "# Written by CONFIG REWRITE\n";

void config_write_option(const struct server_config *config, const struct option *option,
                         size_t first, struct option_output *output) {
    union option_value value;
    option_value_load(option, options_field_const(&CONFIG_TABLE, option, config), &value);
    if (option->kind != OPTION_LINES) {
        option_output_text(output, option->name);
        option_output_text(output, " ");
        option_format_line(option, &value, output);
        option_output_text(output, "\n");
        return;
    }
    for (size_t i = first; i < value.words.count; i++) {
        option_output_text(output, option->name);
        option_output_text(output, " ");
        option_output_append(output, value.words.items[i].data, value.words.items[i].size);
        option_output_text(output, "\n");
    }
}

enum larder_status config_write_changes(const struct server_config *config,
                                        struct option_output *output) {
    struct server_config *defaults = allocator_allocate(config->allocator, sizeof(*defaults));
    if (defaults == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status = config_init(defaults, config->allocator, config->core_count);
    if (status == LARDER_OK) {
        for (size_t row = 0; row < CONFIG_TABLE.count && status == LARDER_OK; row++) {
            bool is_same = false;
            const struct option *option = &CONFIG_TABLE.rows[row];
            status = config_same_value(config, defaults, option, &is_same);
            if (status == LARDER_OK && !is_same)
                config_write_option(config, option, 0, output);
        }
        config_finish(defaults);
    }
    allocator_release(config->allocator, defaults, sizeof(*defaults));
    return status == LARDER_OK && output->is_failed ? LARDER_NO_MEMORY : status;
}

struct rewrite {
    const struct server_config *config;
    struct server_config *on_disk; /* what the file says now */
    const char *path;
    struct option_output old_text;
    struct option_output new_text;
    struct config_error *error;
    size_t last_line[CONFIG_OPTION_MAX]; /* last line of each option in the file, 0 for none */
    size_t last_include;                 /* last line that includes another file, 0 for none */
    bool is_changed[CONFIG_OPTION_MAX];
};

/* The lines of the old text in turn; false after the last. Line numbers begin with 1. */
static bool next_line(const struct rewrite *r, size_t *at, size_t *number, struct slice *line) {
    if (*at >= r->old_text.size)
        return false;
    const char *start = r->old_text.data + *at;
    const char *end = memchr(start, '\n', r->old_text.size - *at);
    size_t size = end == NULL ? r->old_text.size - *at : (size_t)(end - start);
    *line = slice_of(start, size);
    *at += size + 1;
    *number += 1;
    return true;
}

/* The option that a line of the file sets; NULL in *out_option for comments and empty lines. */
static enum larder_status option_of_line(const struct rewrite *r, struct slice line,
                                         const struct option **out_option) {
    *out_option = NULL;
    size_t blank = 0;
    while (blank < line.size && (line.data[blank] == ' ' || line.data[blank] == '\t'))
        blank++;
    if (blank == line.size || line.data[blank] == '#')
        return LARDER_OK;
    struct option_words words;
    enum larder_status status = option_split_line(r->config->allocator, line, &words);
    if (status == LARDER_OK && words.count > 0)
        *out_option = options_find(&CONFIG_TABLE, option_text_slice(&words.items[0]));
    if (status == LARDER_OK)
        option_words_release(r->config->allocator, &words);
    return status;
}

static enum larder_status find_last_lines(struct rewrite *r) {
    struct slice line;
    size_t number = 0;
    enum larder_status status = LARDER_OK;
    for (size_t at = 0; status == LARDER_OK && next_line(r, &at, &number, &line);) {
        const struct option *option;
        status = option_of_line(r, line, &option);
        if (status != LARDER_OK || option == NULL)
            continue;
        r->last_line[option - CONFIG_TABLE.rows] = number;
        if (strcmp(option->name, "include") == 0)
            r->last_include = number;
    }
    return status;
}

static enum larder_status find_changes(struct rewrite *r) {
    enum larder_status status = LARDER_OK;
    for (size_t row = 0; row < CONFIG_TABLE.count && status == LARDER_OK; row++) {
        bool is_same = true;
        const struct option *option = &CONFIG_TABLE.rows[row];
        status = config_same_value(r->config, r->on_disk, option, &is_same);
        r->is_changed[row] = !is_same;
    }
    return status;
}

/* Lines that are there stay. Not the users: the caller has made them what they are now. */
static bool adds_up(const struct option *option) {
    return option->kind == OPTION_LINES && strcmp(option->name, "user") != 0;
}

/* Is the last line of an option its final word? What follows an include would win over it. */
static bool is_settled(const struct rewrite *r, size_t row) {
    return r->last_line[row] > r->last_include;
}

/* Write a changed option. Save points of an included file would add up with ours, so they are
 * cleared first. */
static void write_changed(struct rewrite *r, const struct option *option, size_t first) {
    if ((option->flags & OPTION_ACCUMULATE) != 0 && r->last_include > 0) {
        option_output_text(&r->new_text, option->name);
        option_output_text(&r->new_text, " \"\"\n");
    }
    config_write_option(r->config, option, first, &r->new_text);
}

/* Does this line stay as it is? */
static bool is_kept(const struct rewrite *r, const struct option *option, size_t number) {
    if (option == NULL || adds_up(option))
        return true;
    size_t row = (size_t)(option - CONFIG_TABLE.rows);
    bool counts_once = (option->flags & (OPTION_MERGE | OPTION_ACCUMULATE)) == 0;
    return !r->is_changed[row] && (!counts_once || number == r->last_line[row]);
}

static void write_line(struct rewrite *r, const struct option *option, size_t number,
                       struct slice line) {
    if (is_kept(r, option, number)) {
        option_output_append(&r->new_text, line.data, line.size);
        option_output_text(&r->new_text, "\n");
        return;
    }
    size_t row = (size_t)(option - CONFIG_TABLE.rows);
    if (r->is_changed[row] && number == r->last_line[row] && is_settled(r, row))
        write_changed(r, option, 0);
}

static enum larder_status write_lines(struct rewrite *r) {
    struct slice line;
    size_t number = 0;
    enum larder_status status = LARDER_OK;
    for (size_t at = 0; status == LARDER_OK && next_line(r, &at, &number, &line);) {
        const struct option *option;
        status = option_of_line(r, line, &option);
        if (status == LARDER_OK)
            write_line(r, option, number, line);
    }
    return status;
}

static size_t item_count(const struct server_config *config, const struct option *option) {
    union option_value value;
    option_value_load(option, options_field_const(&CONFIG_TABLE, option, config), &value);
    return value.words.count;
}

static void append_missing(struct rewrite *r) {
    bool has_heading = r->old_text.data != NULL && strstr(r->old_text.data, APPEND_HEADING) != NULL;
    for (size_t row = 0; row < CONFIG_TABLE.count; row++) {
        const struct option *option = &CONFIG_TABLE.rows[row];
        bool is_written = is_settled(r, row) && !adds_up(option);
        if (!r->is_changed[row] || is_written || strcmp(option->name, "include") == 0)
            continue;
        if (!has_heading) {
            option_output_text(&r->new_text, r->new_text.size > 0 ? "\n" : "");
            option_output_text(&r->new_text, APPEND_HEADING);
        }
        has_heading = true;
        write_changed(r, option, adds_up(option) ? item_count(r->on_disk, option) : 0);
    }
}

static enum larder_status replace_file(struct rewrite *r) {
    enum { NEW_FILE_PERMISSIONS = 0640 };
    struct error_text text;
    struct slice data = slice_of(r->new_text.data, r->new_text.size);
    enum larder_status status = file_write_atomically(r->path, data, NEW_FILE_PERMISSIONS, &text);
    if (status == LARDER_OK)
        return LARDER_OK;
    (void)snprintf(r->error->text, sizeof(r->error->text), "%s", text.text);
    return status == LARDER_NO_SPACE ? LARDER_NO_SPACE : LARDER_IO;
}

/* Load the file as it is on disk; one that does not exist is empty. */
static enum larder_status load_old(struct rewrite *r) {
    enum larder_status status = config_copy_text(
        r->config->allocator, option_text_slice(&r->config->start_dir), &r->on_disk->start_dir);
    if (status != LARDER_OK)
        return status;
    if (!file_exists(r->path))
        return LARDER_OK;
    status = config_read_file(r->path, &r->old_text, r->error);
    if (status != LARDER_OK)
        return status;
    struct config_loader loader = {
        .config = r->on_disk, .error = r->error, .follows_includes = true};
    return config_load_lines(&loader, r->path, slice_of(r->old_text.data, r->old_text.size));
}

static enum larder_status rewrite_file(struct rewrite *r) {
    enum larder_status status = load_old(r);
    if (status == LARDER_OK)
        status = find_last_lines(r);
    if (status == LARDER_OK)
        status = find_changes(r);
    if (status == LARDER_OK)
        status = write_lines(r);
    if (status == LARDER_OK)
        append_missing(r);
    if (status == LARDER_OK && (r->new_text.is_failed || r->old_text.is_failed))
        status = LARDER_NO_MEMORY;
    return status == LARDER_OK ? replace_file(r) : status;
}

enum larder_status config_rewrite(struct server_config *config, const char *path,
                                  struct config_error *out_error) {
    const struct allocator *allocator = config->allocator;
    struct rewrite r = {.config = config, .error = out_error};
    r.path = path == NULL ? config->path.data : path;
    r.old_text.allocator = allocator;
    r.new_text.allocator = allocator;
    if (r.path[0] == '\0') {
        (void)snprintf(out_error->text, sizeof(out_error->text),
                       "The server is running without a config file");
        return LARDER_NOT_FOUND;
    }
    r.on_disk = allocator_allocate(allocator, sizeof(*r.on_disk));
    enum larder_status status = LARDER_NO_MEMORY;
    if (r.on_disk != NULL)
        status = config_init(r.on_disk, allocator, config->core_count);
    if (status == LARDER_OK) {
        status = rewrite_file(&r);
        config_finish(r.on_disk);
    }
    allocator_release(allocator, r.on_disk, sizeof(*r.on_disk));
    option_output_release(&r.old_text);
    option_output_release(&r.new_text);
    return status == LARDER_NO_MEMORY ? config_no_memory(out_error) : status;
}
