/* SPDX-License-Identifier: BSD-3-Clause */
/* Life of a config, CONFIG GET and CONFIG SET. A set is a transaction: first every pair is parsed
 * into a new value (memory is taken here), then values and fields are exchanged, which cannot fail,
 * then the apply callbacks run. If one refuses, the exchange is undone and the callbacks that had
 * run are run again. */
#include "base/glob.h"
#include "server/config_internal.h"

#include <stdio.h>

enum { THREADS_DEFAULT_MAX = 8 };

enum larder_status config_init(struct server_config *config, const struct allocator *allocator,
                               int64_t core_count) {
    memset(config, 0, sizeof(*config));
    config->allocator = allocator;
    config->core_count = core_count;
    config->path = (struct option_text){"", 0};
    config->start_dir = (struct option_text){"", 0};
    enum larder_status status = options_init(&CONFIG_TABLE, config, allocator);
    if (status != LARDER_OK)
        return status;
    config->threads = core_count < 1 ? 1 : core_count;
    if (config->threads > THREADS_DEFAULT_MAX)
        config->threads = THREADS_DEFAULT_MAX;
    return LARDER_OK;
}

enum larder_status config_copy_text(const struct allocator *allocator, struct slice text,
                                    struct option_text *out_text) {
    struct option_words one = {NULL, 0};
    enum larder_status status = option_words_append(allocator, &one, text);
    if (status != LARDER_OK)
        return status;
    *out_text = one.items[0];
    allocator_release(allocator, one.items, sizeof(one.items[0]));
    return LARDER_OK;
}

void config_release_text(const struct allocator *allocator, struct option_text *text) {
    if (text->size > 0)
        allocator_release(allocator, (void *)(uintptr_t)text->data, text->size + 1);
    *text = (struct option_text){"", 0};
}

void config_finish(struct server_config *config) {
    const struct allocator *allocator = config->allocator;
    options_finish(&CONFIG_TABLE, config, allocator);
    config_release_text(allocator, &config->path);
    config_release_text(allocator, &config->start_dir);
    if (config->hook_count > 0)
        allocator_release(allocator, config->hooks, config->hook_count * sizeof(config->hooks[0]));
    memset(config, 0, sizeof(*config));
}

enum larder_status config_on_apply(struct server_config *config, const char *name,
                                   config_apply_fn *apply, void *context) {
    const struct option *option = options_find(&CONFIG_TABLE, slice_of_string(name));
    if (option == NULL)
        return LARDER_NOT_FOUND;
    size_t old_size = config->hook_count * sizeof(config->hooks[0]);
    struct config_hook *hooks = allocator_resize(config->allocator, config->hooks, old_size,
                                                 old_size + sizeof(config->hooks[0]));
    if (hooks == NULL)
        return LARDER_NO_MEMORY;
    hooks[config->hook_count++] = (struct config_hook){option, apply, context};
    config->hooks = hooks;
    return LARDER_OK;
}

static void format_field(const struct server_config *config, const struct option *option,
                         struct option_output *output) {
    union option_value value;
    option_value_load(option, options_field_const(&CONFIG_TABLE, option, config), &value);
    option_format(option, &value, output);
}

bool config_format(const struct server_config *config, struct slice name,
                   struct option_output *output) {
    const struct option *option = options_find(&CONFIG_TABLE, name);
    if (option != NULL)
        format_field(config, option, output);
    return option != NULL;
}

static bool is_pattern(struct slice text) {
    for (size_t i = 0; i < text.size; i++)
        if (text.data[i] == '*' || text.data[i] == '?' || text.data[i] == '[')
            return true;
    return false;
}

/* The spelling under which a name is reported, or false when no pattern asks for it. */
static bool is_wanted(const struct option *option, const char *name, const struct slice *patterns,
                      size_t count, struct slice *out_name) {
    if ((option->flags & OPTION_FILE_ONLY) != 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!is_pattern(patterns[i])) {
            *out_name = patterns[i];
            if (slice_equal_word(patterns[i], name))
                return true;
        } else if ((option->flags & OPTION_HIDDEN) == 0) {
            *out_name = slice_of_string(name);
            if (glob_match_any_case(patterns[i], *out_name))
                return true;
        }
    }
    return false;
}

enum larder_status config_get(const struct server_config *config, const struct slice *patterns,
                              size_t count, config_get_fn *report, void *context) {
    struct option_output output = {.allocator = config->allocator};
    for (size_t row = 0; row < CONFIG_TABLE.count && !output.is_failed; row++) {
        const struct option *option = &CONFIG_TABLE.rows[row];
        const char *names[] = {option->name, option->alias};
        for (size_t i = 0; i < 2 && names[i] != NULL && !output.is_failed; i++) {
            struct slice name;
            if (!is_wanted(option, names[i], patterns, count, &name))
                continue;
            output.size = 0;
            format_field(config, option, &output);
            if (!output.is_failed)
                report(context, name, slice_of(output.data, output.size));
        }
    }
    enum larder_status status = output.is_failed ? LARDER_NO_MEMORY : LARDER_OK;
    option_output_release(&output);
    return status;
}

enum larder_status config_same_value(const struct server_config *a, const struct server_config *b,
                                     const struct option *option, bool *out_same) {
    struct option_output texts[2] = {{.allocator = a->allocator}, {.allocator = a->allocator}};
    config_write_option(a, option, 0, &texts[0]);
    config_write_option(b, option, 0, &texts[1]);
    *out_same =
        slice_equal(slice_of(texts[0].data, texts[0].size), slice_of(texts[1].data, texts[1].size));
    bool is_failed = texts[0].is_failed || texts[1].is_failed;
    option_output_release(&texts[0]);
    option_output_release(&texts[1]);
    return is_failed ? LARDER_NO_MEMORY : LARDER_OK;
}

void config_warn_no_effect(const struct server_config *config, const struct option *option,
                           struct config_warnings warnings) {
    if ((option->flags & OPTION_NO_EFFECT) == 0 || warnings.warn == NULL)
        return;
    struct option_output value = {.allocator = config->allocator};
    format_field(config, option, &value);
    struct slice given = slice_of(value.data, value.size);
    bool is_default = slice_equal(
        given, slice_of_string(option->default_text == NULL ? "" : option->default_text));
    option_output_release(&value);
    if (is_default)
        return;
    char text[128];
    (void)snprintf(text, sizeof(text), "option '%s' has no effect", option->name);
    warnings.warn(warnings.context, text);
}

/* One pair of a config_set. */
struct change {
    const struct option *option;
    struct slice name;        /* as the client wrote it */
    union option_value value; /* the new value; after the exchange the old one */
    bool is_parsed;
    bool is_same; /* as before: nothing to apply */
};

struct transaction {
    struct server_config *config;
    struct change *changes;
    size_t count;
    struct config_error *error;
};

static void print_refusal(const struct transaction *t, struct slice name, const char *reason) {
    int width = name.size > 400 ? 400 : (int)name.size;
    const char *data = (const char *)name.data;
    if (reason == NULL)
        (void)snprintf(t->error->text, sizeof(t->error->text),
                       "Unknown option or number of arguments for CONFIG SET - '%.*s'", width,
                       data);
    else
        (void)snprintf(t->error->text, sizeof(t->error->text),
                       "CONFIG SET failed (possibly related to argument '%.*s') - %s", width, data,
                       reason);
    /* The name came from a client and goes into one line of a reply. */
    for (char *at = t->error->text; *at != '\0'; at++)
        if ((unsigned char)*at < ' ')
            *at = ' ';
}

/* The name as the table writes it: the alias if that was used. */
static struct slice spelled(const struct option *option, struct slice name) {
    bool is_alias = option->alias != NULL && slice_equal_word(name, option->alias);
    return slice_of_string(is_alias ? option->alias : option->name);
}

static bool may_set_protected(const struct server_config *config, bool is_local) {
    return config->enable_protected_configs == CONFIG_ALLOWED ||
           (config->enable_protected_configs == CONFIG_ALLOWED_LOCALLY && is_local);
}

/* Why a known option cannot be set in this transaction, or NULL. */
static const char *refusal_of(const struct transaction *t, const struct option *option,
                              size_t index, bool is_local) {
    if ((option->flags & OPTION_IMMUTABLE) != 0)
        return "can't set immutable config";
    if ((option->flags & OPTION_PROTECTED) != 0 && !may_set_protected(t->config, is_local))
        return "can't set protected config";
    for (size_t i = 0; i < index; i++)
        if (t->changes[i].option == option)
            return "duplicate parameter";
    return NULL;
}

static enum larder_status find_changes(struct transaction *t, const struct slice *pairs,
                                       bool is_local) {
    for (size_t i = 0; i < t->count; i++) {
        struct slice name = pairs[2 * i];
        const struct option *option = options_find(&CONFIG_TABLE, name);
        if (option == NULL || (option->flags & OPTION_FILE_ONLY) != 0) {
            print_refusal(t, name, NULL);
            return LARDER_INVALID;
        }
        const char *refusal = refusal_of(t, option, i, is_local);
        if (refusal != NULL) {
            print_refusal(t, name, refusal);
            return LARDER_INVALID;
        }
        t->changes[i] = (struct change){.option = option, .name = name};
    }
    return LARDER_OK;
}

static enum larder_status parse_change(struct transaction *t, struct change *change,
                                       struct slice text) {
    const struct option *option = change->option;
    union option_value current;
    option_value_load(option, options_field(&CONFIG_TABLE, option, t->config), &current);
    struct option_input input = {.allocator = t->config->allocator, .args = &text, .count = 1};
    if ((option->flags & OPTION_MERGE) != 0)
        input.base = &current;
    struct option_error reason;
    enum larder_status status = option_parse(option, &input, &change->value, &reason);
    if (status == LARDER_INVALID)
        print_refusal(t, spelled(option, change->name), reason.text);
    if (status != LARDER_OK)
        return status;
    change->is_parsed = true;
    struct option_output texts[2] = {{.allocator = t->config->allocator},
                                     {.allocator = t->config->allocator}};
    option_format(option, &current, &texts[0]);
    option_format(option, &change->value, &texts[1]);
    change->is_same = slice_equal(slice_of(texts[0].data, texts[0].size),
                                  slice_of(texts[1].data, texts[1].size)) &&
                      (option->flags & OPTION_VOLATILE) == 0;
    if (texts[0].is_failed || texts[1].is_failed)
        status = LARDER_NO_MEMORY;
    option_output_release(&texts[0]);
    option_output_release(&texts[1]);
    return status;
}

/* Exchange new values and fields; a second call takes the first one back. */
static void exchange(struct transaction *t) {
    for (size_t i = 0; i < t->count; i++) {
        struct change *change = &t->changes[i];
        void *field = options_field(&CONFIG_TABLE, change->option, t->config);
        union option_value old;
        option_value_load(change->option, field, &old);
        option_value_store(change->option, field, &change->value);
        change->value = old;
    }
}

static const struct change *find_change(const struct transaction *t, const struct option *option) {
    for (size_t i = 0; i < t->count; i++)
        if (t->changes[i].option == option && !t->changes[i].is_same)
            return &t->changes[i];
    return NULL;
}

/* Has the callback of this hook already run for an earlier hook? */
static bool has_run(const struct transaction *t, size_t index) {
    const struct config_hook *hooks = t->config->hooks;
    for (size_t i = 0; i < index; i++)
        if (hooks[i].apply == hooks[index].apply && hooks[i].context == hooks[index].context &&
            find_change(t, hooks[i].option) != NULL)
            return true;
    return false;
}

/* Run the callbacks of the hooks below `end`. On refusal returns its index and says why. */
static size_t run_hooks(const struct transaction *t, size_t end, const char **out_reason) {
    for (size_t i = 0; i < end; i++) {
        const struct config_hook *hook = &t->config->hooks[i];
        if (find_change(t, hook->option) == NULL || has_run(t, i))
            continue;
        *out_reason = "it could not be applied";
        if (!hook->apply(hook->context, t->config, out_reason))
            return i;
    }
    return end;
}

static enum larder_status apply_changes(struct transaction *t) {
    const char *reason = NULL;
    size_t refused = run_hooks(t, t->config->hook_count, &reason);
    if (refused == t->config->hook_count)
        return LARDER_OK;
    const struct change *change = find_change(t, t->config->hooks[refused].option);
    print_refusal(t, spelled(change->option, change->name), reason);
    exchange(t);
    /* The refusing callback may have done half of its work, so it sees the old values too. */
    (void)run_hooks(t, refused + 1, &reason);
    return LARDER_INVALID;
}

static enum larder_status run_transaction(struct transaction *t, const struct slice *pairs,
                                          bool is_local) {
    enum larder_status status = find_changes(t, pairs, is_local);
    for (size_t i = 0; i < t->count && status == LARDER_OK; i++)
        status = parse_change(t, &t->changes[i], pairs[2 * i + 1]);
    if (status == LARDER_OK) {
        exchange(t);
        status = apply_changes(t);
    }
    for (size_t i = 0; i < t->count; i++)
        if (t->changes[i].is_parsed)
            option_value_release(t->changes[i].option, t->config->allocator, &t->changes[i].value);
    return status;
}

enum larder_status config_set(struct server_config *config, const struct slice *pairs,
                              size_t pair_count, bool is_local, struct config_warnings warnings,
                              struct config_error *out_error) {
    if (pair_count == 0)
        return LARDER_OK;
    size_t size = pair_count * sizeof(struct change);
    struct transaction t = {.config = config, .count = pair_count, .error = out_error};
    (void)snprintf(out_error->text, sizeof(out_error->text), "%s",
                   larder_status_text(LARDER_NO_MEMORY));
    t.changes = allocator_allocate_zeroed(config->allocator, size);
    if (t.changes == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status = run_transaction(&t, pairs, is_local);
    for (size_t i = 0; i < pair_count && status == LARDER_OK; i++)
        if (!t.changes[i].is_same)
            config_warn_no_effect(config, t.changes[i].option, warnings);
    allocator_release(config->allocator, t.changes, size);
    return status;
}
