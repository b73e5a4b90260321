/* SPDX-License-Identifier: BSD-3-Clause */
/* rename-command: each line "NAME NEW" of the configuration becomes a row that the command lookup
 * consults. There are few, and usually none. */
#include "server/renamed_commands.h"

static enum larder_status add(struct server *server, struct option_words *line,
                              struct error_text *error) {
    const char *name = option_text_or_empty(&line->items[0]);
    const struct command_spec *spec = command_find(name, line->items[0].size);
    if (spec == NULL) {
        error_text_format(error, "rename-command: there is no command '%s'", name);
        return LARDER_INVALID;
    }
    struct blob *copy = blob_create(server->allocator, line->items[1].size + 1);
    if (copy == NULL)
        return LARDER_NO_MEMORY;
    memcpy(copy->data, option_text_or_empty(&line->items[1]), line->items[1].size);
    copy->size = line->items[1].size;
    server->renamed[server->renamed_count++] = (struct renamed_command){.spec = spec, .name = copy};
    return LARDER_OK;
}

enum larder_status renamed_commands_init(struct server *server, struct error_text *error) {
    const struct option_words *lines = &server->config.rename_command;
    if (lines->count == 0)
        return LARDER_OK;
    server->renamed_capacity = lines->count;
    server->renamed =
        allocator_allocate_zeroed(server->allocator, lines->count * sizeof(*server->renamed));
    if (server->renamed == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status = LARDER_OK;
    for (size_t i = 0; i < lines->count && status == LARDER_OK; i++) {
        struct option_words line = {0};
        status = option_split_line(server->allocator, option_text_slice(&lines->items[i]), &line);
        if (status == LARDER_OK && line.count != 2) {
            error_text_format(error, "rename-command wants two words: NAME NEW");
            status = LARDER_INVALID;
        }
        if (status == LARDER_OK)
            status = add(server, &line, error);
        option_words_release(server->allocator, &line);
    }
    return status;
}

void renamed_commands_finish(struct server *server) {
    for (size_t i = 0; i < server->renamed_count; i++)
        blob_release(server->renamed[i].name);
    allocator_release(server->allocator, server->renamed,
                      server->renamed_capacity * sizeof(*server->renamed));
}
