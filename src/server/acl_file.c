/* SPDX-License-Identifier: BSD-3-Clause */
/* A file is read whole, every line is tried, and only a file without a fault replaces the users. In
 * the configuration one fault ends the start. */
#include "server/acl_file.h"

#include "os/file.h"
#include "server/acl_rules.h"
#include "server/settings.h"

#include <stdio.h>

enum { FILE_SIZE_MAX = 64 << 20, FILE_PERMISSIONS = 0600 };

static bool is_blank(uint8_t c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct slice trimmed(struct slice text) {
    while (text.size > 0 && is_blank(text.data[0]))
        text = slice_of(text.data + 1, text.size - 1);
    while (text.size > 0 && is_blank(text.data[text.size - 1]))
        text.size--;
    return text;
}

/* ---- one line ---- */

/* Split at spaces. Returns how many words; `words` has room for (size + 1) / 2 of them. */
static size_t split(struct slice line, struct slice *words) {
    size_t count = 0;
    for (size_t at = 0; at < line.size;) {
        size_t size = 0;
        while (at + size < line.size && line.data[at + size] != ' ')
            size++;
        if (size > 0)
            words[count++] = slice_of(line.data + at, size);
        at += size + 1;
    }
    return count;
}

static bool is_known(const struct acl_parse *parse, struct slice name) {
    for (size_t i = 0; i < parse->count; i++)
        if (slice_equal(parse->users[i]->name, name))
            return true;
    return false;
}

static enum larder_status keep(struct acl_parse *parse, struct acl_user *user) {
    if (parse->count == parse->capacity) {
        size_t capacity = 2 * parse->capacity + 4;
        struct acl_user **users = allocator_resize(parse->allocator, parse->users,
                                                   parse->capacity * sizeof(struct acl_user *),
                                                   capacity * sizeof(struct acl_user *));
        if (users == NULL) {
            acl_user_release(user);
            return LARDER_NO_MEMORY;
        }
        parse->users = users;
        parse->capacity = capacity;
    }
    parse->users[parse->count++] = user;
    return LARDER_OK;
}

/* Apply all rules of a line and tell of the faults: of every unknown command, of other faults the
 * first. */
static enum larder_status apply_line(struct acl_parse *parse, struct acl_user *user, size_t line,
                                     const struct acl_words *words) {
    bool is_told = false, is_faulty = false;
    for (size_t i = 0; i < words->count; i++) {
        const char *reason = NULL;
        struct slice word = words->items[i];
        enum larder_status status = acl_rule_apply(user, word, parse->with_all_channels, &reason);
        if (status == LARDER_NO_MEMORY)
            return status;
        if (status == LARDER_OK)
            continue;
        is_faulty = true;
        if (strncmp(reason, "Unknown", 7) == 0)
            text_buffer_format(parse->errors, "%s:%zu: Error in applying operation '%.*s': %s. ",
                               parse->path, line, (int)word.size, (const char *)word.data, reason);
        else if (!is_told)
            text_buffer_format(parse->errors, "%s:%zu: %s. ", parse->path, line, reason);
        is_told = is_told || strncmp(reason, "Unknown", 7) != 0;
    }
    return is_faulty ? LARDER_INVALID : LARDER_OK;
}

static enum larder_status parse_rules(struct acl_parse *parse, size_t line, struct slice name,
                                      const struct slice *given, size_t count) {
    struct acl_words words;
    struct acl_user *user = NULL;
    enum larder_status status = acl_words_init(&words, parse->allocator, given, count);
    if (status == LARDER_INVALID)
        text_buffer_format(parse->errors, "%s:%zu: Unmatched parenthesis in selector definition.",
                           parse->path, line);
    if (status == LARDER_OK) {
        user = acl_user_create(parse->allocator, name, parse->with_all_channels);
        status = user == NULL ? LARDER_NO_MEMORY : apply_line(parse, user, line, &words);
    }
    acl_words_finish(&words);
    if (status == LARDER_OK)
        return keep(parse, user);
    acl_user_release(user);
    return status;
}

static enum larder_status parse_words(struct acl_parse *parse, size_t line,
                                      const struct slice *words, size_t count) {
    if (count < 2 || !slice_equal(words[0], SLICE_LITERAL("user"))) {
        text_buffer_format(parse->errors,
                           "%s:%zu should start with user keyword followed by the username. ",
                           parse->path, line);
        return LARDER_INVALID;
    }
    struct slice name = words[1];
    const char *shown = (const char *)name.data;
    if (is_known(parse, name)) {
        text_buffer_format(parse->errors, "WARNING: Duplicate user '%.*s' found on line %zu. ",
                           (int)name.size, shown, line);
        return LARDER_INVALID;
    }
    if (!acl_name_is_valid(name)) {
        text_buffer_format(parse->errors, "'%s:%zu: username '%.*s' contains invalid characters. ",
                           parse->path, line, (int)name.size, shown);
        return LARDER_INVALID;
    }
    return parse_rules(parse, line, name, words + 2, count - 2);
}

static enum larder_status parse_line(struct acl_parse *parse, size_t number, struct slice line) {
    if (line.size == 0)
        return LARDER_OK;
    size_t bytes = (line.size / 2 + 1) * sizeof(struct slice);
    struct slice *words = allocator_allocate(parse->allocator, bytes);
    if (words == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status = parse_words(parse, number, words, split(line, words));
    allocator_release(parse->allocator, words, bytes);
    return status;
}

static enum larder_status add_default(struct acl_parse *parse) {
    if (is_known(parse, SLICE_LITERAL("default")))
        return LARDER_OK;
    struct acl_user *user = acl_create_default(parse->allocator, parse->default_password);
    return user == NULL ? LARDER_NO_MEMORY : keep(parse, user);
}

enum larder_status acl_parse_text(struct acl_parse *parse, struct slice text) {
    bool is_faulty = false;
    size_t number = 0;
    for (size_t at = 0; at < text.size;) {
        const uint8_t *end = memchr(text.data + at, '\n', text.size - at);
        size_t size = end == NULL ? text.size - at : (size_t)(end - text.data) - at;
        enum larder_status status =
            parse_line(parse, ++number, trimmed(slice_of(text.data + at, size)));
        if (status == LARDER_NO_MEMORY)
            return status;
        is_faulty = is_faulty || status != LARDER_OK;
        at += size + 1;
    }
    if (!is_faulty)
        return add_default(parse);
    text_buffer_format(parse->errors, "WARNING: ACL errors detected, no change to the previously "
                                      "active ACL rules was performed");
    return LARDER_INVALID;
}

void acl_parse_finish(struct acl_parse *parse) {
    for (size_t i = 0; i < parse->count; i++)
        acl_user_release(parse->users[i]);
    allocator_release(parse->allocator, parse->users, parse->capacity * sizeof(struct acl_user *));
    parse->users = NULL;
    parse->count = parse->capacity = 0;
}

/* ---- the file ---- */

static struct acl_parse begin_parse(struct server *server, const char *path,
                                    struct text_buffer *errors) REQUIRES(CONFIG_LOCK) {
    return (struct acl_parse){
        .allocator = server->allocator,
        .path = path,
        .with_all_channels = server->config.acl_pubsub_default == CONFIG_ACL_ALL_CHANNELS,
        .default_password = option_text_slice(&server->config.requirepass),
        .errors = errors,
    };
}

static enum larder_status publish(struct server *server, struct acl_parse *parse)
    REQUIRES(CONFIG_LOCK) {
    enum larder_status status = acl_publish_all(server, parse->users, parse->count);
    parse->count = 0; /* taken over */
    return status;
}

static const char *read_failure(enum larder_status status) {
    switch (status) {
    case LARDER_NOT_FOUND: return "No such file or directory";
    case LARDER_DENIED: return "Permission denied";
    default: return larder_status_text(status);
    }
}

enum larder_status acl_load_file(struct server *server, struct text_buffer *errors) {
    const char *path = option_text_or_empty(&server->config.aclfile);
    uint8_t *data = NULL;
    size_t size = 0;
    enum larder_status status =
        file_read_whole(path, FILE_SIZE_MAX, server->allocator, &data, &size, NULL);
    if (status != LARDER_OK) {
        text_buffer_format(errors, "Error loading ACLs, opening file '%s': %s", path,
                           read_failure(status));
        return status;
    }
    struct acl_parse parse = begin_parse(server, path, errors);
    status = acl_parse_text(&parse, slice_of(data, size));
    if (status == LARDER_OK)
        status = publish(server, &parse);
    acl_parse_finish(&parse);
    allocator_release(server->allocator, data, size + 1);
    return status;
}

static void describe(const struct acl_user *user, struct text_buffer *out) {
    text_buffer_append(out, user->name);
    text_buffer_append(out, SLICE_LITERAL(" "));
    acl_describe_user(user, out);
}

enum larder_status acl_save_file(struct server *server, struct error_text *error) {
    size_t count;
    struct acl_user **users = acl_list(server, &count);
    if (users == NULL)
        return LARDER_NO_MEMORY;
    struct text_buffer text;
    text_buffer_init(&text, server->allocator);
    for (size_t i = 0; i < count; i++) {
        text_buffer_append(&text, SLICE_LITERAL("user "));
        describe(users[i], &text);
        text_buffer_append(&text, SLICE_LITERAL("\n"));
    }
    acl_list_destroy(server, users, count);
    enum larder_status status = LARDER_NO_MEMORY;
    if (!text.is_out_of_memory)
        status = file_write_atomically(option_text_or_empty(&server->config.aclfile),
                                       text_buffer_slice(&text), FILE_PERMISSIONS, error);
    text_buffer_finish(&text);
    return status;
}

/* ---- the configuration ---- */

/* A directive's words are quoted in the configuration's manner. */
static enum larder_status parse_directive(struct acl_parse *parse, size_t number,
                                          struct slice directive) {
    struct option_words words;
    enum larder_status status = option_split_line(parse->allocator, directive, &words);
    if (status != LARDER_OK)
        return status;
    size_t bytes = (words.count + 1) * sizeof(struct slice);
    struct slice *slices = allocator_allocate(parse->allocator, bytes);
    if (slices == NULL)
        status = LARDER_NO_MEMORY;
    if (slices != NULL) {
        slices[0] = SLICE_LITERAL("user");
        for (size_t i = 0; i < words.count; i++)
            slices[i + 1] = option_text_slice(&words.items[i]);
        status = parse_words(parse, number, slices, words.count + 1);
    }
    allocator_release(parse->allocator, slices, bytes);
    option_words_release(parse->allocator, &words);
    return status;
}

static enum larder_status load_directives(struct server *server, struct text_buffer *errors)
    REQUIRES(CONFIG_LOCK) {
    const struct option_words *lines = &server->config.user;
    struct acl_parse parse = begin_parse(server, "user directive", errors);
    enum larder_status status = LARDER_OK;
    for (size_t i = 0; i < lines->count && status == LARDER_OK; i++)
        status = parse_directive(&parse, i + 1, option_text_slice(&lines->items[i]));
    if (status == LARDER_OK)
        status = add_default(&parse);
    if (status == LARDER_OK)
        status = publish(server, &parse);
    acl_parse_finish(&parse);
    return status;
}

enum larder_status acl_load_at_start(struct server *server, struct error_text *error) {
    bool has_lines = server->config.user.count > 0, has_file = server->config.aclfile.size > 0;
    if (has_lines && has_file) {
        error_text_format(error,
                          "Users are defined both in the configuration file and by aclfile. Use "
                          "one of the two: 'user' lines, or an ACL file.");
        return LARDER_INVALID;
    }
    if (!has_lines && !has_file)
        return LARDER_OK;
    struct text_buffer errors;
    text_buffer_init(&errors, server->allocator);
    enum larder_status status =
        has_file ? acl_load_file(server, &errors) : load_directives(server, &errors);
    if (status != LARDER_OK)
        error_text_format(error, "The access lists can't be loaded: %s",
                          errors.data != NULL ? errors.data : larder_status_text(status));
    text_buffer_finish(&errors);
    return status;
}

/* Whether there is just the default user, as it is without any rules. */
static bool is_plain(struct server *server, struct acl_user **users, size_t count)
    REQUIRES(CONFIG_LOCK) {
    if (count != 1)
        return false;
    struct text_buffer now, plain;
    text_buffer_init(&now, server->allocator);
    text_buffer_init(&plain, server->allocator);
    struct acl_user *user =
        acl_create_default(server->allocator, option_text_slice(&server->config.requirepass));
    acl_describe_user(users[0], &now);
    if (user != NULL)
        acl_describe_user(user, &plain);
    bool is_same = slice_equal(text_buffer_slice(&now), text_buffer_slice(&plain));
    acl_user_release(user);
    text_buffer_finish(&now);
    text_buffer_finish(&plain);
    return is_same;
}

/* Append the words of a text, each quoted where the configuration's syntax needs it. */
static void quote_words(struct option_output *out, struct slice text) {
    for (size_t at = 0; at < text.size;) {
        size_t size = 0;
        while (at + size < text.size && text.data[at + size] != ' ')
            size++;
        option_output_text(out, " ");
        option_quote(out, slice_of(text.data + at, size));
        at += size + 1;
    }
}

/* "NAME RULES" as arguments of a directive. */
static enum larder_status append_directive(struct server *server, struct option_words *lines,
                                           const struct acl_user *user) {
    struct text_buffer text;
    struct option_output line = {.allocator = server->allocator};
    text_buffer_init(&text, server->allocator);
    acl_describe_user(user, &text);
    option_quote(&line, user->name);
    quote_words(&line, text_buffer_slice(&text));
    enum larder_status status = LARDER_NO_MEMORY;
    if (!text.is_out_of_memory && !line.is_failed)
        status = option_words_append(server->allocator, lines, slice_of(line.data, line.size));
    option_output_release(&line);
    text_buffer_finish(&text);
    return status;
}

enum larder_status acl_note_in_config(struct server *server) {
    if (server->config.aclfile.size > 0)
        return LARDER_OK;
    size_t count;
    struct option_words lines = {NULL, 0};
    struct acl_user **users = acl_list(server, &count);
    enum larder_status status = users == NULL ? LARDER_NO_MEMORY : LARDER_OK;
    bool is_noted = users != NULL && !is_plain(server, users, count);
    for (size_t i = 0; is_noted && i < count && status == LARDER_OK; i++)
        status = append_directive(server, &lines, users[i]);
    if (users != NULL)
        acl_list_destroy(server, users, count);
    if (status != LARDER_OK) {
        option_words_release(server->allocator, &lines);
        return status;
    }
    option_words_release(server->allocator, &server->config.user);
    server->config.user = lines;
    return LARDER_OK;
}
