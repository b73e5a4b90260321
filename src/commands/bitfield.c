/* SPDX-License-Identifier: BSD-3-Clause */
/* BITFIELD: a little program of reads and writes on integers of 1 to 64 bits. It is checked from
 * end to end before anything runs; then the string is made as long as the last write needs, and the
 * operations run on its image in order. Sums are taken in 128 bits, so that overflow is a plain
 * comparison with the field's limits. */
#include "commands/bitmap.h"

#include "commands/bits.h"
#include "commands/functions.h"
#include "commands/string_value.h"

__extension__ typedef __int128 wide;

enum field_verb { FIELD_GET, FIELD_SET, FIELD_INCRBY };
enum overflow_rule { OVERFLOW_WRAP, OVERFLOW_SATURATE, OVERFLOW_FAIL };

struct field_type {
    bool is_signed;
    unsigned width;
};

struct operation {
    enum field_verb verb;
    struct field_type type;
    uint64_t bit;
    int64_t operand; /* new value or increment */
};

/* Reads the program word by word. */
struct program {
    size_t at; /* next word */
    enum overflow_rule rule;
};

static bool parse_type(struct call *call, struct slice text, struct field_type *out) {
    int64_t width = 0;
    char letter = text.size > 0 ? (char)text.data[0] : '\0';
    out->is_signed = letter == 'i';
    if ((letter == 'i' || letter == 'u') &&
        slice_to_int64(slice_of(text.data + 1, text.size - 1), &width) && width >= 1 &&
        width <= (out->is_signed ? 64 : 63)) {
        out->width = (unsigned)width;
        return true;
    }
    reply_error(call->reply, "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 "
                             "is not supported but i64 is.");
    return false;
}

static bool parse_rule(struct call *call, struct slice word, enum overflow_rule *out) {
    if (slice_equal_word(word, "WRAP")) {
        *out = OVERFLOW_WRAP;
    } else if (slice_equal_word(word, "SAT")) {
        *out = OVERFLOW_SATURATE;
    } else if (slice_equal_word(word, "FAIL")) {
        *out = OVERFLOW_FAIL;
    } else {
        reply_error(call->reply, "ERR Invalid OVERFLOW type specified");
        return false;
    }
    return true;
}

enum step { STEP_OPERATION, STEP_END, STEP_ERROR };

/* Read the next operation, and the OVERFLOW words before it. On an error its reply is written. */
static enum step next_operation(struct call *call, struct program *program, struct operation *out) {
    while (program->at < call->argc) {
        struct slice word = call->argv[program->at];
        size_t left = call->argc - program->at - 1;
        if (slice_equal_word(word, "OVERFLOW") && left >= 1) {
            if (!parse_rule(call, call->argv[program->at + 1], &program->rule))
                return STEP_ERROR;
            program->at += 2;
            continue;
        }
        if (slice_equal_word(word, "GET") && left >= 2) {
            out->verb = FIELD_GET;
        } else if (slice_equal_word(word, "SET") && left >= 3) {
            out->verb = FIELD_SET;
        } else if (slice_equal_word(word, "INCRBY") && left >= 3) {
            out->verb = FIELD_INCRBY;
        } else {
            call_syntax_error(call);
            return STEP_ERROR;
        }
        const struct slice *words = &call->argv[program->at + 1];
        if (!parse_type(call, words[0], &out->type) ||
            !bitmap_offset(call, words[1], out->type.width, &out->bit))
            return STEP_ERROR;
        if (out->verb != FIELD_GET && !call_integer(call, words[2], &out->operand))
            return STEP_ERROR;
        program->at += out->verb == FIELD_GET ? 3 : 4;
        return STEP_OPERATION;
    }
    return STEP_END;
}

struct summary {
    size_t count;       /* operations */
    size_t write_count; /* of them that write */
    uint64_t write_end; /* bytes that the string needs */
};

static bool check_program(struct call *call, bool is_read_only, struct summary *out) {
    struct program program = {.at = 2};
    struct operation operation;
    enum step step;
    *out = (struct summary){0};
    while ((step = next_operation(call, &program, &operation)) == STEP_OPERATION) {
        out->count++;
        if (operation.verb == FIELD_GET)
            continue;
        out->write_count++;
        uint64_t end = (operation.bit + operation.type.width + 7) / 8;
        if (end > out->write_end)
            out->write_end = end;
    }
    if (step == STEP_ERROR)
        return false;
    if (is_read_only && out->write_count > 0) {
        reply_error(call->reply, "ERR BITFIELD_RO only supports the GET subcommand");
        return false;
    }
    return true;
}

static wide load_field(struct slice bytes, const struct operation *operation) {
    unsigned width = operation->type.width;
    uint64_t bits = bits_load(bytes, operation->bit, width);
    if (!operation->type.is_signed)
        return (wide)bits;
    unsigned unused = BIT_FIELD_MAX - width;
    return (wide)((int64_t)(bits << unused) >> unused);
}

/* Bring a number into the field's range by the rule. False when the rule is to fail. */
static bool fit(wide *number, struct field_type type, enum overflow_rule rule) {
    wide max = ((wide)1 << (type.width - (type.is_signed ? 1 : 0))) - 1;
    wide min = type.is_signed ? -max - 1 : 0;
    if (*number >= min && *number <= max)
        return true;
    if (rule == OVERFLOW_SATURATE) {
        *number = *number > max ? max : min;
    } else if (rule == OVERFLOW_WRAP) {
        wide span = max - min + 1;
        *number = (*number - min) % span;
        *number += *number < 0 ? span + min : min;
    }
    return rule != OVERFLOW_FAIL;
}

/* Runs a write on the image and replies. False when it changed nothing. */
static bool run_write(struct reply *reply, struct string_edit *edit,
                      const struct operation *operation, enum overflow_rule rule) {
    wide old = load_field(slice_of(edit->data, edit->size), operation);
    wide number = (wide)operation->operand;
    if (operation->verb == FIELD_INCRBY)
        number += old;
    else if (!operation->type.is_signed)
        number = (wide)(uint64_t)operation->operand;
    if (!fit(&number, operation->type, rule)) {
        reply_null(reply);
        return false;
    }
    bits_store(edit->data, operation->bit, operation->type.width, (uint64_t)number);
    reply_integer(reply, (int64_t)(operation->verb == FIELD_INCRBY ? number : old));
    return number != old;
}

static void run_reads(struct call *call, struct slice text) {
    struct program program = {.at = 2};
    struct operation operation;
    while (next_operation(call, &program, &operation) == STEP_OPERATION)
        reply_integer(call->reply, (int64_t)load_field(text, &operation));
}

REQUIRES(PARTITION_LOCK)
static enum larder_status read_fields(struct call *call, const struct summary *summary) {
    struct entry entry;
    uint8_t scratch[INT64_TEXT_MAX];
    struct slice text = slice_of(NULL, 0);
    if (call_read(call, &call->key, &entry)) {
        if (!entry_is_string(&entry))
            return call_wrong_type(call);
        text = value_text(&entry.value, scratch);
    }
    reply_array(call->reply, summary->count);
    run_reads(call, text);
    return LARDER_OK;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status write_fields(struct call *call, const struct summary *summary) {
    struct entry entry;
    const struct entry *old = call_write(call, &call->key, &entry) ? &entry : NULL;
    if (old != NULL && !entry_is_string(old))
        return call_wrong_type(call);
    size_t old_size = old != NULL ? string_size(&old->value) : 0;
    size_t size = summary->write_end > old_size ? (size_t)summary->write_end : old_size;
    size_t reply_size = CALL_REPLY_RESERVED + summary->count * (INT64_TEXT_MAX + 3);
    struct string_edit edit;
    if (!reply_reserve(call->reply, reply_size) ||
        string_edit_begin(&edit, call, old, size) != LARDER_OK)
        return LARDER_NO_MEMORY;

    bool is_changed = size > old_size;
    struct program program = {.at = 2};
    struct operation operation;
    reply_array(call->reply, summary->count);
    while (next_operation(call, &program, &operation) == STEP_OPERATION) {
        if (operation.verb == FIELD_GET)
            reply_integer(call->reply,
                          (int64_t)load_field(slice_of(edit.data, edit.size), &operation));
        else
            is_changed |= run_write(call->reply, &edit, &operation, program.rule);
    }
    if (!is_changed) {
        string_edit_abort(&edit);
        return LARDER_OK;
    }
    if (string_edit_commit(&edit, call, &call->key) != LARDER_OK)
        return LARDER_NO_MEMORY;
    call_effect_verbatim(call);
    call_notify(call, NOTICE_STRING, "setbit", &call->key);
    return LARDER_OK;
}

REQUIRES(PARTITION_LOCK)
static enum larder_status run_program(struct call *call, bool is_read_only) {
    struct summary summary;
    if (!check_program(call, is_read_only, &summary))
        return LARDER_OK;
    return summary.write_count > 0 ? write_fields(call, &summary) : read_fields(call, &summary);
}

enum larder_status command_bitfield(struct call *call) {
    return run_program(call, false);
}

enum larder_status command_bitfield_ro(struct call *call) {
    return run_program(call, true);
}
