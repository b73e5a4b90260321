/* SPDX-License-Identifier: BSD-3-Clause */
/* Text that follows from the table: the commented larder.conf, docs/configuration.md and --help.
 * Each is built whole in memory and handed to the writer once, so that a failed allocation leaves
 * no half of it. */
#include "server/config_internal.h"

enum { TEXT_WIDTH = 79 };

/* Break `text` at spaces into lines of TEXT_WIDTH, each behind `indent`; *column is where the
 * current line ends. */
static void wrap(struct option_output *out, const char *indent, const char *text, size_t *column) {
    while (*text != '\0') {
        size_t size = strcspn(text, " ");
        if (*column > strlen(indent) && *column + 1 + size > TEXT_WIDTH) {
            option_output_text(out, "\n");
            *column = 0;
        }
        const char *before = *column == 0 ? indent : " ";
        option_output_text(out, before);
        option_output_append(out, text, size);
        *column += strlen(before) + size;
        text += size;
        text += strspn(text, " ");
    }
}

static void wrap_paragraph(struct option_output *out, const char *indent, const char *text) {
    size_t column = 0;
    wrap(out, indent, text, &column);
    option_output_text(out, "\n");
}

static bool has_effect(const struct option *option) {
    return (option->flags & OPTION_NO_EFFECT) == 0;
}

static bool begins_section(size_t row) {
    return row == 0 ||
           strcmp(CONFIG_TABLE.rows[row].section, CONFIG_TABLE.rows[row - 1].section) != 0;
}

/* The default as it stands in a file. */
static void print_default(const struct option *option, struct option_output *out) {
    struct slice text = slice_of_string(option->default_text == NULL ? "" : option->default_text);
    struct option_input input = {.allocator = out->allocator, .args = &text, .count = 1};
    union option_value value;
    struct option_error ignored;
    if (option_parse(option, &input, &value, &ignored) != LARDER_OK) {
        out->is_failed = true;
        return;
    }
    option_format_line(option, &value, out);
    option_value_release(option, out->allocator, &value);
}

static void print_file_option(const struct option *option, struct option_output *out) {
    wrap_paragraph(out, "# ", option->summary);
    if ((option->flags & OPTION_IMMUTABLE) != 0)
        option_output_text(out, "# Set at start only.\n");
    if (option->default_note != NULL) {
        option_output_text(out, "# Default: ");
        option_output_text(out, option->default_note);
        option_output_text(out, ".\n");
    }
    bool has_line = option->kind != OPTION_LINES && option->default_note == NULL;
    option_output_text(out, has_line ? "#" : "# ");
    option_output_text(out, option->name);
    option_output_text(out, " ");
    if (has_line)
        print_default(option, out);
    else
        option_output_text(out, "...");
    option_output_text(out, "\n\n");
}

static enum larder_status hand_over(struct option_output *out, const struct config_writer *writer) {
    enum larder_status status = out->is_failed ? LARDER_NO_MEMORY : LARDER_OK;
    if (status == LARDER_OK)
        writer->write(writer->context, out->data, out->size);
    option_output_release(out);
    return status;
}

enum larder_status config_print_default_file(const struct config_writer *writer) {
    struct option_output out = {.allocator = &ALLOCATOR_SYSTEM};
    option_output_text(
        &out, "# Configuration of larder-server: larder-server FILE [--name value ...]\n"
              "#\n"
              "# An option stands on a line of its own: its name, then its values. Lines\n"
              "# that begin with #name show the default; remove the # to change it. Values\n"
              "# with spaces stand in double quotes. Memory takes the units kb, mb and gb\n"
              "# (powers of 1024) and k, m and g (powers of 1000). The last of several\n"
              "# lines wins, and the command line wins over this file.\n\n");
    for (size_t row = 0; row < CONFIG_TABLE.count; row++) {
        const struct option *option = &CONFIG_TABLE.rows[row];
        if (!has_effect(option) || (option->flags & OPTION_HIDDEN) != 0)
            continue;
        if (begins_section(row)) {
            option_output_text(&out, "# ---- ");
            option_output_text(&out, option->section);
            option_output_text(&out, " ----\n\n");
        }
        print_file_option(option, &out);
    }
    return hand_over(&out, writer);
}

static void print_range(const struct option *option, struct option_output *out) {
    option_output_text(out, " ");
    option_output_integer(out, option->min);
    if (option->max == INT64_MAX) {
        option_output_text(out, " or more");
        return;
    }
    option_output_text(out, " to ");
    option_output_integer(out, option->max);
}

static void print_names(const struct option *option, struct option_output *out) {
    for (const struct option_name *name = option->names; name->name != NULL; name++) {
        option_output_text(out, name == option->names ? "" : ", ");
        option_output_text(out, name->name);
    }
}

static void print_type(const struct option *option, struct option_output *out) {
    switch (option->kind) {
    case OPTION_BOOL: option_output_text(out, "yes or no"); break;
    case OPTION_INTEGER:
        option_output_text(out, option->max == 0 ? "letters" : "integer,");
        if (option->max != 0)
            print_range(option, out);
        break;
    case OPTION_MEMORY:
        option_output_text(out,
                           (option->flags & OPTION_PERCENT) != 0 ? "bytes or percent" : "bytes");
        break;
    case OPTION_OCTAL: option_output_text(out, "octal number"); break;
    case OPTION_CHOICE:
    case OPTION_CHOICES:
        option_output_text(out, option->kind == OPTION_CHOICE ? "one of " : "some of ");
        print_names(option, out);
        break;
    case OPTION_TEXT: option_output_text(out, "text"); break;
    case OPTION_WORDS: option_output_text(out, "words"); break;
    case OPTION_INTEGERS:
    case OPTION_DECIMALS: option_output_text(out, "numbers"); break;
    case OPTION_LINES: option_output_text(out, "arguments; may be repeated"); break;
    }
}

static const char *when_changeable(const struct option *option) {
    if ((option->flags & (OPTION_IMMUTABLE | OPTION_FILE_ONLY)) != 0)
        return "at start only";
    return (option->flags & OPTION_PROTECTED) != 0 ? "if protected options are enabled" : "yes";
}

static void print_doc_row(const struct option *option, struct option_output *out) {
    option_output_text(out, "| `");
    option_output_text(out, option->name);
    if (option->alias != NULL) {
        option_output_text(out, "`, `");
        option_output_text(out, option->alias);
    }
    option_output_text(out, "` | ");
    print_type(option, out);
    option_output_text(out, " | ");
    if (option->default_note != NULL) {
        option_output_text(out, option->default_note);
    } else if (option->kind != OPTION_LINES) {
        option_output_text(out, "`");
        print_default(option, out);
        option_output_text(out, "`");
    }
    option_output_text(out, " | ");
    option_output_text(out, when_changeable(option));
    option_output_text(out, has_effect(option) ? " | works | " : " | accepted, no effect | ");
    option_output_text(out, option->summary);
    option_output_text(out, " |\n");
}

enum larder_status config_print_docs(const struct config_writer *writer) {
    struct option_output out = {.allocator = &ALLOCATOR_SYSTEM};
    option_output_text(
        &out,
        "<!-- SPDX-License-Identifier: BSD-3-Clause -->\n"
        "# Configuration\n\n"
        "Generated from the option table of larder-server; change it there.\n\n"
        "Options are set in a file, on the command line (`larder-server FILE --name value ...`)\n"
        "and, where the column *Changeable* says so, at run time by `CONFIG SET`. `CONFIG GET`\n"
        "shows them and `CONFIG REWRITE` writes them back into the file. Every name that Redis\n"
        "and Valkey know is accepted; what does nothing here is stored and reported, and named\n"
        "in the log when it is set.\n");
    for (size_t row = 0; row < CONFIG_TABLE.count; row++) {
        if (begins_section(row)) {
            option_output_text(&out, "\n## ");
            option_output_text(&out, CONFIG_TABLE.rows[row].section);
            option_output_text(&out, "\n\n| Option | Type | Default | Changeable | Effect here | "
                                     "Meaning |\n|---|---|---|---|---|---|\n");
        }
        print_doc_row(&CONFIG_TABLE.rows[row], &out);
    }
    return hand_over(&out, writer);
}

static void print_help_option(const struct option *option, struct option_output *out) {
    option_output_text(out, "  --");
    option_output_text(out, option->name);
    option_output_text(out, " <");
    print_type(option, out);
    option_output_text(out, ">\n");
    wrap_paragraph(out, "      ", option->summary);
}

enum larder_status config_print_help(const struct config_writer *writer) {
    struct option_output out = {.allocator = &ALLOCATOR_SYSTEM};
    option_output_text(&out, "Usage: larder-server [FILE | -] [--name value ...]\n"
                             "       larder-server --help | --version\n"
                             "       larder-server --check-config [FILE] [--name value ...]\n\n"
                             "FILE holds one option per line; - reads standard input.\n"
                             "Options of the command line win over those of the file.\n");
    for (size_t row = 0; row < CONFIG_TABLE.count; row++) {
        const struct option *option = &CONFIG_TABLE.rows[row];
        if (!has_effect(option))
            continue;
        if (begins_section(row)) {
            option_output_text(&out, "\n");
            option_output_text(&out, option->section);
            option_output_text(&out, ":\n");
        }
        print_help_option(option, &out);
    }
    option_output_text(&out, "\nAccepted for compatibility, without effect:\n");
    size_t column = 0;
    for (size_t row = 0; row < CONFIG_TABLE.count; row++)
        if (!has_effect(&CONFIG_TABLE.rows[row]))
            wrap(&out, "  ", CONFIG_TABLE.rows[row].name, &column);
    option_output_text(&out, "\n");
    return hand_over(&out, writer);
}
