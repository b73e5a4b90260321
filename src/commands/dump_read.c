/* SPDX-License-Identifier: BSD-3-Clause */
/* A payload becomes a value: its elements are read one by one, whatever form they are in, and added
 * to a new container by the functions that commands use. What is there twice, empty, or goes on
 * behind the value is corrupt. Streams: dump_read_stream.c. */
#include "base/crc64.h"
#include "commands/dump_reader.h"
#include "ds/hash.h"
#include "ds/list.h"
#include "ds/set.h"
#include "ds/sorted_set.h"

#include <math.h>
#include <stdlib.h>

bool dump_is_sound(struct slice payload) {
    if (payload.size < DUMP_FOOTER_BYTES)
        return false;
    const uint8_t *footer = payload.data + payload.size - DUMP_FOOTER_BYTES;
    unsigned version = footer[0] | (unsigned)footer[1] << 8;
    uint64_t checksum = 0;
    for (unsigned i = 0; i < 8; i++)
        checksum |= (uint64_t)footer[2 + i] << 8 * i;
    return (version <= DUMP_VERSION_VALKEY || version == DUMP_VERSION_NEWEST) &&
           checksum == crc64(0, slice_of(payload.data, payload.size - 8));
}

/* A container that is being built. */
struct builder {
    struct dump_reader *reader;
    const struct object_context *objects;
    struct object *object; /* NULL: empty */
};

/* What is done with an element, of one or two texts. */
typedef enum larder_status (*element_adder)(struct builder *builder, const struct slice *texts);

static enum larder_status add_to_list(struct builder *builder, const struct slice *texts) {
    return list_push(&builder->object, builder->objects, LIST_TAIL, texts, 1);
}

static enum larder_status add_to_set(struct builder *builder, const struct slice *texts) {
    size_t added;
    enum larder_status status = set_add(&builder->object, builder->objects, texts, 1, &added);
    return status == LARDER_OK && added == 0 ? LARDER_CORRUPT : status;
}

static enum larder_status add_field(struct builder *builder, const struct slice *texts,
                                    int64_t expiry_ms) {
    size_t added;
    enum larder_status status =
        hash_set(&builder->object, builder->objects, texts, 1, expiry_ms, 0, &added);
    return status == LARDER_OK && added == 0 ? LARDER_CORRUPT : status;
}

static enum larder_status add_to_hash(struct builder *builder, const struct slice *texts) {
    return add_field(builder, texts, 0);
}

static enum larder_status add_scored(struct builder *builder, struct slice text, double score) {
    struct scored_member member = {.member = text, .score = score};
    struct sorted_set_outcome outcome;
    if (builder->object == NULL)
        builder->object = sorted_set_create(builder->objects, 0, 0);
    if (builder->object == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status = sorted_set_add(&builder->object, builder->objects, &member, 1,
                                               SORTED_SET_NEW_ONLY, &outcome);
    return status == LARDER_OK && outcome.added == 0 ? LARDER_CORRUPT : status;
}

static enum larder_status add_to_sorted_set(struct builder *builder, const struct slice *texts) {
    char digits[128], *end;
    if (texts[1].size == 0 || texts[1].size >= sizeof(digits))
        return LARDER_CORRUPT;
    memcpy(digits, texts[1].data, texts[1].size);
    digits[texts[1].size] = '\0';
    double score = strtod(digits, &end);
    if (end != digits + texts[1].size || isnan(score))
        return LARDER_CORRUPT;
    return add_scored(builder, texts[0], score);
}

/* ---- plain forms: a count, then strings ---- */

static enum larder_status read_texts(struct builder *builder, size_t width, element_adder add) {
    uint64_t count;
    enum larder_status status = dump_read_length(builder->reader, &count);
    for (; status == LARDER_OK && count > 0; count--) {
        struct dump_string strings[2];
        struct slice texts[2];
        size_t read = 0;
        for (; read < width; read++) {
            status = dump_read_string(builder->reader, &strings[read]);
            if (status != LARDER_OK)
                break;
            texts[read] = strings[read].text;
        }
        if (status == LARDER_OK)
            status = add(builder, texts);
        while (read > 0)
            dump_string_finish(&strings[--read], builder->reader->allocator);
    }
    return status;
}

/* Field, value, and the time as 8 bytes, -1 for none. */
static enum larder_status read_expiring_fields(struct builder *builder) {
    uint64_t count;
    enum larder_status status = dump_read_length(builder->reader, &count);
    for (; status == LARDER_OK && count > 0; count--) {
        struct dump_string field, value;
        uint64_t time;
        status = dump_read_string(builder->reader, &field);
        if (status != LARDER_OK)
            break;
        status = dump_read_string(builder->reader, &value);
        if (status == LARDER_OK) {
            status = dump_read_number(builder->reader, 8, &time);
            if (status == LARDER_OK) {
                struct slice texts[] = {field.text, value.text};
                status = add_field(builder, texts, (int64_t)time > 0 ? (int64_t)time : 0);
            }
            dump_string_finish(&value, builder->reader->allocator);
        }
        dump_string_finish(&field, builder->reader->allocator);
    }
    return status;
}

static enum larder_status read_scored(struct builder *builder, bool is_text) {
    uint64_t count;
    enum larder_status status = dump_read_length(builder->reader, &count);
    for (; status == LARDER_OK && count > 0; count--) {
        struct dump_string string;
        double score;
        status = dump_read_string(builder->reader, &string);
        if (status != LARDER_OK)
            break;
        status = dump_read_score(builder->reader, is_text, &score);
        if (status == LARDER_OK)
            status = add_scored(builder, string.text, score);
        dump_string_finish(&string, builder->reader->allocator);
    }
    return status;
}

/* ---- packed forms ---- */

static enum larder_status add_packed(struct builder *builder, enum dump_form form,
                                     struct slice bytes, size_t width, element_adder add) {
    struct dump_elements elements;
    uint8_t scratch[2][INT64_TEXT_MAX];
    enum larder_status status = dump_elements_begin(&elements, form, bytes);
    while (status == LARDER_OK) {
        struct slice texts[2];
        status = dump_elements_next(&elements, scratch[0], &texts[0]);
        if (status == LARDER_NOT_FOUND)
            return LARDER_OK;
        if (status == LARDER_OK && width > 1) {
            status = dump_elements_next(&elements, scratch[1], &texts[1]);
            if (status == LARDER_NOT_FOUND)
                return LARDER_CORRUPT;
        }
        if (status == LARDER_OK)
            status = add(builder, texts);
    }
    return status;
}

static enum larder_status read_packed(struct builder *builder, enum dump_form form, size_t width,
                                      element_adder add) {
    struct dump_string string;
    enum larder_status status = dump_read_string(builder->reader, &string);
    if (status != LARDER_OK)
        return status;
    status = add_packed(builder, form, string.text, width, add);
    dump_string_finish(&string, builder->reader->allocator);
    return status;
}

/* Nodes of packed elements; of listpacks a number before each tells whether it is one element that
 * stands alone. */
static enum larder_status read_nodes(struct builder *builder, enum dump_form form) {
    enum { NODE_PLAIN = 1, NODE_PACKED = 2 };
    struct dump_reader *reader = builder->reader;
    uint64_t count, kind = NODE_PACKED;
    enum larder_status status = dump_read_length(reader, &count);
    for (; status == LARDER_OK && count > 0; count--) {
        struct dump_string string;
        if (form == DUMP_LISTPACK)
            status = dump_read_length(reader, &kind);
        if (status == LARDER_OK && kind != NODE_PLAIN && kind != NODE_PACKED)
            status = LARDER_CORRUPT;
        if (status == LARDER_OK && kind == NODE_PACKED)
            status = read_packed(builder, form, 1, add_to_list);
        if (status != LARDER_OK || kind == NODE_PACKED)
            continue;
        status = dump_read_string(reader, &string);
        if (status != LARDER_OK)
            break;
        status = add_to_list(builder, &string.text);
        dump_string_finish(&string, reader->allocator);
    }
    return status;
}

/* ---- any ---- */

static enum larder_status read_container(struct builder *builder, uint64_t type) {
    switch (type) {
    case DUMP_LIST: return read_texts(builder, 1, add_to_list);
    case DUMP_LIST_ZIPLIST: return read_packed(builder, DUMP_ZIPLIST, 1, add_to_list);
    case DUMP_LIST_ZIPLISTS: return read_nodes(builder, DUMP_ZIPLIST);
    case DUMP_LIST_LISTPACKS: return read_nodes(builder, DUMP_LISTPACK);
    case DUMP_SET: return read_texts(builder, 1, add_to_set);
    case DUMP_SET_INTEGERS: return read_packed(builder, DUMP_INTEGERS, 1, add_to_set);
    case DUMP_SET_LISTPACK: return read_packed(builder, DUMP_LISTPACK, 1, add_to_set);
    case DUMP_SORTED_SET_TEXT: return read_scored(builder, true);
    case DUMP_SORTED_SET: return read_scored(builder, false);
    case DUMP_SORTED_SET_ZIPLIST: return read_packed(builder, DUMP_ZIPLIST, 2, add_to_sorted_set);
    case DUMP_SORTED_SET_LISTPACK: return read_packed(builder, DUMP_LISTPACK, 2, add_to_sorted_set);
    case DUMP_HASH: return read_texts(builder, 2, add_to_hash);
    case DUMP_HASH_ZIPMAP: return read_packed(builder, DUMP_ZIPMAP, 2, add_to_hash);
    case DUMP_HASH_ZIPLIST: return read_packed(builder, DUMP_ZIPLIST, 2, add_to_hash);
    case DUMP_HASH_LISTPACK: return read_packed(builder, DUMP_LISTPACK, 2, add_to_hash);
    case DUMP_HASH_EXPIRING: return read_expiring_fields(builder);
    case DUMP_STREAM:
    case DUMP_STREAM_2:
    case DUMP_STREAM_3:
        return dump_read_stream(builder->reader, (enum dump_type)type, builder->objects,
                                &builder->object);
    default: return LARDER_CORRUPT;
    }
}

static bool is_complete(const struct object *object) {
    return object != NULL && (object->type->kind == OBJECT_STREAM || object_length(object) > 0);
}

static enum larder_status read_object(struct dump_reader *reader, uint64_t type,
                                      const struct object_context *objects, struct object **out) {
    struct builder builder = {.reader = reader, .objects = objects};
    enum larder_status status = read_container(&builder, type);
    if (status == LARDER_OK && (dump_left(reader) > 0 || !is_complete(builder.object)))
        status = LARDER_CORRUPT;
    if (status == LARDER_OK) {
        *out = builder.object;
        return LARDER_OK;
    }
    object_destroy(builder.object, objects->allocator);
    return status == LARDER_NO_MEMORY ? LARDER_NO_MEMORY : LARDER_CORRUPT;
}

static enum larder_status read_plain_string(struct dump_reader *reader, struct dump_content *out) {
    struct dump_string string;
    enum larder_status status = dump_read_string(reader, &string);
    if (status != LARDER_OK)
        return status;
    if (dump_left(reader) > 0) {
        dump_string_finish(&string, reader->allocator);
        return LARDER_CORRUPT;
    }
    bool is_number = string.text.data == string.scratch;
    memcpy(out->scratch, string.scratch, is_number ? string.text.size : 0);
    out->string = is_number ? slice_of(out->scratch, string.text.size) : string.text;
    out->owned = string.owned;
    out->owned_size = string.owned == NULL ? 0 : string.owned_size;
    return LARDER_OK;
}

enum larder_status dump_read(struct slice payload, const struct object_context *objects,
                             struct dump_content *out) {
    struct dump_reader reader = {
        .at = payload.data,
        .end = payload.data + payload.size - DUMP_FOOTER_BYTES,
        .allocator = objects->allocator,
    };
    uint64_t type;
    out->object = NULL;
    out->owned = NULL;
    enum larder_status status = dump_read_number(&reader, 1, &type);
    if (status != LARDER_OK)
        return status;
    return type == DUMP_STRING ? read_plain_string(&reader, out)
                               : read_object(&reader, type, objects, &out->object);
}

void dump_content_finish(struct dump_content *content, const struct allocator *allocator) {
    if (content->owned != NULL)
        allocator_release(allocator, content->owned, content->owned_size);
    content->owned = NULL;
}
