/* SPDX-License-Identifier: BSD-3-Clause */
/* Reading configuration: lines of files, files that include files, and the command line, which is
 * turned into the same directives. A directive replaces the value of its option; those that add up
 * start from the value they find. Options without effect are reported once, after everything is
 * read, because a later directive may put the default back. */
#include "server/config_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FILE_SIZE_MAX = 16 << 20, PLACE_TEXT_MAX = 160 };

enum larder_status config_no_memory(struct config_error *out_error) {
    (void)snprintf(out_error->text, sizeof(out_error->text), "%s",
                   larder_status_text(LARDER_NO_MEMORY));
    return LARDER_NO_MEMORY;
}

/* Write "file, line n: 'directive': reason". A secret is cut off behind its name. */
static void explain(const struct config_loader *loader, const struct config_place *place,
                    const struct option *option, const char *reason) {
    int width = place->text.size > PLACE_TEXT_MAX ? PLACE_TEXT_MAX : (int)place->text.size;
    const char *text = (const char *)place->text.data;
    bool is_secret = option != NULL && (option->flags & OPTION_SENSITIVE) != 0;
    if (is_secret) {
        text = option->name;
        width = (int)strlen(text);
    }
    const char *more = is_secret ? " ..." : "";
    if (place->line > 0)
        (void)snprintf(loader->error->text, sizeof(loader->error->text),
                       "%s, line %zu: '%.*s%s': %s", place->source, place->line, width, text, more,
                       reason);
    else
        (void)snprintf(loader->error->text, sizeof(loader->error->text), "%s: '%.*s%s': %s",
                       place->source, width, text, more, reason);
}

static enum larder_status set_field(struct config_loader *loader, const struct option *option,
                                    const struct slice *args, size_t count,
                                    struct option_error *reason) {
    struct server_config *config = loader->config;
    size_t row = (size_t)(option - CONFIG_TABLE.rows);
    void *field = options_field(&CONFIG_TABLE, option, config);
    union option_value value, current;
    option_value_load(option, field, &current);
    struct option_input input = {.allocator = config->allocator, .args = args, .count = count};
    if ((option->flags & OPTION_MERGE) != 0 ||
        ((option->flags & OPTION_ACCUMULATE) != 0 && loader->is_seen[row]))
        input.base = &current;
    enum larder_status status = option_parse(option, &input, &value, reason);
    if (status != LARDER_OK)
        return status;
    option_value_store(option, field, &value);
    option_value_release(option, config->allocator, &current);
    loader->is_seen[row] = true;
    return LARDER_OK;
}

/* Load every file that an include pattern names. */
static enum larder_status follow_include(struct config_loader *loader,
                                         const struct config_place *place, const char *pattern) {
    if (loader->depth >= CONFIG_INCLUDE_DEPTH) {
        explain(loader, place, NULL,
                "included files are nested too deep; does one include itself?");
        return LARDER_INVALID;
    }
    glob_t found;
    int result = glob(pattern, 0, NULL, &found);
    if (result == GLOB_NOSPACE)
        return config_no_memory(loader->error);
    if (result != 0) {
        bool is_glob = strpbrk(pattern, "*?[") != NULL;
        if (!is_glob)
            explain(loader, place, NULL, "the file cannot be found; correct its path");
        return is_glob ? LARDER_OK : LARDER_IO;
    }
    enum larder_status status = LARDER_OK;
    loader->depth++;
    for (size_t i = 0; i < found.gl_pathc && status == LARDER_OK; i++)
        status = config_load_file(loader, found.gl_pathv[i]);
    loader->depth--;
    globfree(&found);
    return status;
}

static enum larder_status follow_includes(struct config_loader *loader,
                                          const struct config_place *place,
                                          const struct slice *args, size_t count) {
    enum larder_status status = LARDER_OK;
    for (size_t i = 0; i < count && status == LARDER_OK; i++) {
        struct option_output pattern = {.allocator = loader->config->allocator};
        bool is_relative = args[i].size > 0 && args[i].data[0] != '/';
        if (is_relative && loader->config->start_dir.size > 0) {
            option_output_text(&pattern, loader->config->start_dir.data);
            option_output_text(&pattern, "/");
        }
        option_output_append(&pattern, args[i].data, args[i].size);
        if (pattern.is_failed)
            status = config_no_memory(loader->error);
        else
            status = follow_include(loader, place, pattern.data == NULL ? "" : pattern.data);
        option_output_release(&pattern);
    }
    return status;
}

enum larder_status config_load_directive(struct config_loader *loader,
                                         const struct config_place *place,
                                         const struct slice *words, size_t count) {
    const struct option *option = options_find(&CONFIG_TABLE, words[0]);
    if (option == NULL) {
        explain(loader, place, NULL,
                "there is no option of this name; `larder-server --help` lists all");
        return LARDER_INVALID;
    }
    struct option_error reason;
    enum larder_status status = set_field(loader, option, words + 1, count - 1, &reason);
    if (status == LARDER_INVALID)
        explain(loader, place, option, reason.text);
    if (status == LARDER_NO_MEMORY)
        return config_no_memory(loader->error);
    if (status == LARDER_OK && loader->follows_includes && strcmp(option->name, "include") == 0)
        status = follow_includes(loader, place, words + 1, count - 1);
    return status;
}

static enum larder_status load_words(struct config_loader *loader, const struct config_place *place,
                                     const struct option_words *words) {
    size_t size = words->count * sizeof(struct slice);
    struct slice *slices = allocator_allocate(loader->config->allocator, size);
    if (slices == NULL)
        return config_no_memory(loader->error);
    for (size_t i = 0; i < words->count; i++)
        slices[i] = option_text_slice(&words->items[i]);
    enum larder_status status = config_load_directive(loader, place, slices, words->count);
    allocator_release(loader->config->allocator, slices, size);
    return status;
}

static struct slice trimmed(struct slice line) {
    while (line.size > 0 && strchr(" \t\r\n", line.data[0]) != NULL && line.data[0] != '\0')
        line = slice_of(line.data + 1, line.size - 1);
    while (line.size > 0 && strchr(" \t\r\n", line.data[line.size - 1]) != NULL &&
           line.data[line.size - 1] != '\0')
        line.size--;
    return line;
}

static enum larder_status load_line(struct config_loader *loader,
                                    const struct config_place *place) {
    if (place->text.size == 0 || place->text.data[0] == '#')
        return LARDER_OK;
    struct option_words words;
    enum larder_status status = option_split_line(loader->config->allocator, place->text, &words);
    if (status == LARDER_INVALID)
        explain(loader, place, NULL,
                "quotes do not match: close each, and leave a space behind the closing one");
    if (status == LARDER_NO_MEMORY)
        return config_no_memory(loader->error);
    if (status == LARDER_OK && words.count > 0) {
        status = load_words(loader, place, &words);
        option_words_release(loader->config->allocator, &words);
    }
    return status;
}

enum larder_status config_load_lines(struct config_loader *loader, const char *source,
                                     struct slice text) {
    struct config_place place = {.source = source};
    enum larder_status status = LARDER_OK;
    for (size_t at = 0; at < text.size && status == LARDER_OK;) {
        const uint8_t *start = text.data + at;
        const uint8_t *end = memchr(start, '\n', text.size - at);
        size_t size = end == NULL ? text.size - at : (size_t)(end - start);
        place.line++;
        place.text = trimmed(slice_of(start, size));
        status = load_line(loader, &place);
        at += size + 1;
    }
    return status;
}

static enum larder_status read_all(int fd, const char *path, struct option_output *out,
                                   struct config_error *out_error) {
    char block[4096];
    for (;;) {
        ssize_t got = read(fd, block, sizeof(block));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            (void)snprintf(out_error->text, sizeof(out_error->text),
                           "cannot read configuration file '%s': %m", path);
            return LARDER_IO;
        }
        if (got == 0)
            return out->is_failed ? config_no_memory(out_error) : LARDER_OK;
        option_output_append(out, block, (size_t)got);
        if (out->size > FILE_SIZE_MAX) {
            (void)snprintf(out_error->text, sizeof(out_error->text),
                           "configuration file '%s' is larger than 16 MiB", path);
            return LARDER_IO;
        }
    }
}

enum larder_status config_read_file(const char *path, struct option_output *out,
                                    struct config_error *out_error) {
    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, "standard input", out, out_error);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        (void)snprintf(out_error->text, sizeof(out_error->text),
                       "cannot open configuration file '%s': %m", path);
        return LARDER_IO;
    }
    enum larder_status status = read_all(fd, path, out, out_error);
    (void)close(fd);
    return status;
}

enum larder_status config_load_file(struct config_loader *loader, const char *path) {
    struct option_output text = {.allocator = loader->config->allocator};
    enum larder_status status = config_read_file(path, &text, loader->error);
    if (status == LARDER_OK)
        status = config_load_lines(loader, strcmp(path, "-") == 0 ? "standard input" : path,
                                   slice_of(text.data, text.size));
    option_output_release(&text);
    return status;
}

static void warn_unused(const struct config_loader *loader) {
    for (size_t row = 0; row < CONFIG_TABLE.count; row++)
        if (loader->is_seen[row])
            config_warn_no_effect(loader->config, &CONFIG_TABLE.rows[row], loader->warnings);
}

enum larder_status config_load_text(struct server_config *config, const char *source,
                                    struct slice text, struct config_warnings warnings,
                                    struct config_error *out_error) {
    struct config_loader loader = {.config = config, .warnings = warnings, .error = out_error};
    enum larder_status status = config_load_lines(&loader, source, text);
    if (status == LARDER_OK)
        warn_unused(&loader);
    return status;
}

static bool is_option_argument(const char *argument) {
    return strncmp(argument, "--", 2) == 0 && argument[2] != '\0';
}

/* Does argv[index] begin a directive, given how many values the one before it has? */
static bool begins_directive(const char *argument, size_t value_count) {
    return is_option_argument(argument) &&
           (value_count > 0 || options_find(&CONFIG_TABLE, slice_of_string(argument + 2)) != NULL);
}

/* The value of an option that was given none: NULL if it needs one. */
static const char *implied_value(struct slice name) {
    const struct option *option = options_find(&CONFIG_TABLE, name);
    if (option == NULL)
        return NULL;
    if (option->kind == OPTION_BOOL)
        return "yes";
    return strcmp(option->name, "save") == 0 ? "" : NULL;
}

/* Set the directive whose name is argv[*at] and move *at behind its values. `words` has room for
 * all arguments and one more. */
static enum larder_status load_argument(struct config_loader *loader, int argc, char *const argv[],
                                        int *at, struct slice *words) {
    struct config_place place = {.source = "command line", .text = slice_of_string(argv[*at])};
    if (!is_option_argument(argv[*at])) {
        explain(loader, &place, NULL, "options on the command line begin with --");
        return LARDER_INVALID;
    }
    words[0] = slice_of_string(argv[*at] + 2);
    size_t count = 1;
    for (*at += 1; *at < argc && !begins_directive(argv[*at], count - 1); *at += 1)
        words[count++] = slice_of_string(argv[*at]);
    const char *implied = count == 1 ? implied_value(words[0]) : NULL;
    if (implied != NULL)
        words[count++] = slice_of_string(implied);
    return config_load_directive(loader, &place, words, count);
}

static enum larder_status load_arguments(struct config_loader *loader, int argc, char *const argv[],
                                         int first) {
    if (first >= argc)
        return LARDER_OK;
    size_t size = ((size_t)argc + 1) * sizeof(struct slice);
    struct slice *words = allocator_allocate(loader->config->allocator, size);
    if (words == NULL)
        return config_no_memory(loader->error);
    enum larder_status status = LARDER_OK;
    for (int at = first; at < argc && status == LARDER_OK;)
        status = load_argument(loader, argc, argv, &at, words);
    allocator_release(loader->config->allocator, words, size);
    return status;
}

static enum larder_status remember_start_dir(struct config_loader *loader) {
    char folder[PATH_MAX];
    if (getcwd(folder, sizeof(folder)) == NULL) {
        (void)snprintf(loader->error->text, sizeof(loader->error->text),
                       "cannot find the working directory: %m");
        return LARDER_IO;
    }
    struct server_config *config = loader->config;
    config_release_text(config->allocator, &config->start_dir);
    enum larder_status status =
        config_copy_text(config->allocator, slice_of_string(folder), &config->start_dir);
    return status == LARDER_OK ? LARDER_OK : config_no_memory(loader->error);
}

/* Put `path`, made absolute, in the place of *text. */
static enum larder_status make_absolute(struct config_loader *loader, const char *path,
                                        struct option_text *text) {
    const struct allocator *allocator = loader->config->allocator;
    struct option_output joined = {.allocator = allocator};
    if (strncmp(path, "./", 2) == 0)
        path += 2;
    bool is_here = path[0] == '\0' || strcmp(path, ".") == 0;
    if (path[0] != '/')
        option_output_text(&joined, loader->config->start_dir.data);
    if (path[0] != '/' && !is_here && strcmp(loader->config->start_dir.data, "/") != 0)
        option_output_text(&joined, "/");
    option_output_text(&joined, is_here ? "" : path);
    struct option_text absolute;
    enum larder_status status = LARDER_NO_MEMORY;
    if (!joined.is_failed)
        status = config_copy_text(allocator, slice_of(joined.data, joined.size), &absolute);
    option_output_release(&joined);
    if (status != LARDER_OK)
        return config_no_memory(loader->error);
    config_release_text(allocator, text);
    *text = absolute;
    return LARDER_OK;
}

enum larder_status config_load(struct server_config *config, int argc, char *const argv[],
                               struct config_warnings warnings, struct config_error *out_error) {
    struct config_loader loader = {
        .config = config, .warnings = warnings, .error = out_error, .follows_includes = true};
    enum larder_status status = remember_start_dir(&loader);
    int first = 1;
    if (status == LARDER_OK && argc > 1 && strncmp(argv[1], "--", 2) != 0) {
        first = 2;
        if (strcmp(argv[1], "-") != 0)
            status = make_absolute(&loader, argv[1], &config->path);
        if (status == LARDER_OK)
            status = config_load_file(&loader, argv[1]);
    }
    if (status == LARDER_OK)
        status = load_arguments(&loader, argc, argv, first);
    if (status == LARDER_OK)
        status = make_absolute(&loader, config->dir.data, &config->dir);
    if (status == LARDER_OK)
        warn_unused(&loader);
    return status;
}
