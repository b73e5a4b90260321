/* SPDX-License-Identifier: BSD-3-Clause */
/* A stream from its serialised form, the layout of which dump_write_stream.c draws. The texts of
 * the entry at hand are gathered in one array that grows; those of a node's shared names stay in
 * front of it. */
#include "commands/dump_reader.h"
#include "ds/stream.h"

enum { FIRST_TEXTS = 16, ENTRY_IS_DELETED_FLAG = 1, ENTRY_SHARES_NAMES_FLAG = 2, ID_BYTES = 16 };

/* A text that stays while the node is read; that of a number is made anew from it. */
struct held_text {
    struct slice text; /* data NULL: the number */
    uint8_t scratch[INT64_TEXT_MAX];
};

struct stream_reader {
    struct dump_reader *reader;
    const struct object_context *objects;
    enum dump_type type;
    struct object *stream;
    struct held_text *held; /* names of the node, then texts of the entry */
    struct slice *texts;    /* name, value, name ... of the entry */
    size_t held_room, texts_room;
};

static enum larder_status make_room(struct stream_reader *r, size_t held, size_t texts) {
    const struct allocator *allocator = r->objects->allocator;
    if (held > r->held_room) {
        size_t room = held > 2 * r->held_room ? held : 2 * r->held_room;
        struct held_text *grown = allocator_resize(
            allocator, r->held, r->held_room * sizeof(*grown), room * sizeof(*grown));
        if (grown == NULL)
            return LARDER_NO_MEMORY;
        r->held = grown;
        r->held_room = room;
    }
    if (texts > r->texts_room) {
        size_t room = texts > 2 * r->texts_room ? texts : 2 * r->texts_room;
        struct slice *grown = allocator_resize(allocator, r->texts, r->texts_room * sizeof(*grown),
                                               room * sizeof(*grown));
        if (grown == NULL)
            return LARDER_NO_MEMORY;
        r->texts = grown;
        r->texts_room = room;
    }
    return LARDER_OK;
}

/* ---- entries ---- */

static enum larder_status next_text(struct dump_elements *elements, uint8_t *scratch,
                                    struct slice *out) {
    enum larder_status status = dump_elements_next(elements, scratch, out);
    return status == LARDER_NOT_FOUND ? LARDER_CORRUPT : status;
}

static enum larder_status next_number(struct dump_elements *elements, int64_t *out) {
    uint8_t scratch[INT64_TEXT_MAX];
    struct slice text;
    enum larder_status status = next_text(elements, scratch, &text);
    return status == LARDER_OK && !slice_to_int64(text, out) ? LARDER_CORRUPT : status;
}

/* A count of elements that are still to come: each takes two bytes at least. */
static enum larder_status next_count(struct dump_elements *elements, size_t *out) {
    int64_t count;
    enum larder_status status = next_number(elements, &count);
    if (status != LARDER_OK)
        return status;
    if (count < 0 || count > elements->end - elements->at)
        return LARDER_CORRUPT;
    *out = (size_t)count;
    return LARDER_OK;
}

/* Read `count` texts into held[first...]. */
static enum larder_status hold_texts(struct stream_reader *r, struct dump_elements *elements,
                                     size_t first, size_t count) {
    enum larder_status status = make_room(r, first + count, 0);
    for (size_t i = first; status == LARDER_OK && i < first + count; i++) {
        struct held_text *held = &r->held[i];
        status = next_text(elements, held->scratch, &held->text);
        if (status == LARDER_OK && held->text.data == held->scratch)
            held->text.data = NULL;
    }
    return status;
}

static struct slice held_text(const struct held_text *held) {
    return held->text.data != NULL ? held->text : slice_of(held->scratch, held->text.size);
}

static enum larder_status append(struct stream_reader *r, struct stream_id id, size_t name_count,
                                 size_t field_count, bool is_sharing) {
    if (make_room(r, 0, 2 * field_count) != LARDER_OK)
        return LARDER_NO_MEMORY;
    for (size_t i = 0; i < field_count; i++) {
        const struct held_text *own = r->held + name_count;
        r->texts[2 * i] = held_text(is_sharing ? &r->held[i] : &own[2 * i]);
        r->texts[2 * i + 1] = held_text(is_sharing ? &own[i] : &own[2 * i + 1]);
    }
    bool is_next = stream_length(r->stream) == 0 ? !stream_id_is_zero(id)
                                                 : stream_id_is_less(stream_last_id(r->stream), id);
    if (!is_next || field_count == 0)
        return LARDER_CORRUPT;
    return stream_append(r->stream, r->objects, id, r->texts, 2 * field_count);
}

static enum larder_status read_entry(struct stream_reader *r, struct dump_elements *elements,
                                     struct stream_id first, size_t name_count, bool *out_is_live) {
    int64_t flags, ms, sequence, element_count;
    size_t field_count = name_count;
    enum larder_status status = next_number(elements, &flags);
    if (status == LARDER_OK)
        status = next_number(elements, &ms);
    if (status == LARDER_OK)
        status = next_number(elements, &sequence);
    if (status != LARDER_OK)
        return status;
    bool is_sharing = (flags & ENTRY_SHARES_NAMES_FLAG) != 0;
    if (!is_sharing)
        status = next_count(elements, &field_count);
    if (status == LARDER_OK)
        status = hold_texts(r, elements, name_count, is_sharing ? field_count : 2 * field_count);
    if (status == LARDER_OK)
        status = next_number(elements, &element_count);
    if (status != LARDER_OK)
        return status;
    if (element_count != (int64_t)(is_sharing ? 3 + field_count : 4 + 2 * field_count))
        return LARDER_CORRUPT;
    *out_is_live = (flags & ENTRY_IS_DELETED_FLAG) == 0;
    if (!*out_is_live)
        return LARDER_OK;
    struct stream_id id = {first.ms + (uint64_t)ms, first.sequence + (uint64_t)sequence};
    return append(r, id, name_count, field_count, is_sharing);
}

static enum larder_status add_node(struct stream_reader *r, struct stream_id first,
                                   struct slice bytes) {
    struct dump_elements elements;
    int64_t live, deleted, mark;
    size_t name_count;
    enum larder_status status = dump_elements_begin(&elements, DUMP_LISTPACK, bytes);
    if (status == LARDER_OK)
        status = next_number(&elements, &live);
    if (status == LARDER_OK)
        status = next_number(&elements, &deleted);
    if (status == LARDER_OK)
        status = next_count(&elements, &name_count);
    if (status == LARDER_OK)
        status = hold_texts(r, &elements, 0, name_count);
    if (status == LARDER_OK)
        status = next_number(&elements, &mark);
    if (status != LARDER_OK || live < 0 || deleted < 0 || mark != 0)
        return status != LARDER_OK ? status : LARDER_CORRUPT;
    while (live > 0 || deleted > 0) {
        bool is_live;
        status = read_entry(r, &elements, first, name_count, &is_live);
        int64_t *left = status == LARDER_OK && is_live ? &live : &deleted;
        if (status != LARDER_OK || --*left < 0)
            return status != LARDER_OK ? status : LARDER_CORRUPT;
    }
    struct slice text;
    uint8_t scratch[INT64_TEXT_MAX];
    status = dump_elements_next(&elements, scratch, &text);
    return status == LARDER_NOT_FOUND ? LARDER_OK : LARDER_CORRUPT;
}

static enum larder_status read_node(struct stream_reader *r) {
    struct dump_string key, bytes;
    struct stream_id first;
    enum larder_status status = dump_read_string(r->reader, &key);
    if (status != LARDER_OK)
        return status;
    struct dump_reader of_key = {.at = key.text.data, .end = key.text.data + key.text.size};
    status = key.text.size == ID_BYTES ? dump_read_id(&of_key, &first) : LARDER_CORRUPT;
    dump_string_finish(&key, r->reader->allocator);
    if (status == LARDER_OK)
        status = dump_read_string(r->reader, &bytes);
    if (status != LARDER_OK)
        return status;
    status = add_node(r, first, bytes.text);
    dump_string_finish(&bytes, r->reader->allocator);
    return status;
}

/* ---- counters ---- */

static enum larder_status read_id_lengths(struct stream_reader *r, struct stream_id *out) {
    enum larder_status status = dump_read_length(r->reader, &out->ms);
    return status == LARDER_OK ? dump_read_length(r->reader, &out->sequence) : status;
}

static enum larder_status read_counters(struct stream_reader *r) {
    uint64_t length, added;
    struct stream_id last, ignored_first, deleted = {0};
    enum larder_status status = dump_read_length(r->reader, &length);
    if (status == LARDER_OK)
        status = read_id_lengths(r, &last);
    added = length;
    if (status == LARDER_OK && r->type != DUMP_STREAM) {
        status = read_id_lengths(r, &ignored_first);
        if (status == LARDER_OK)
            status = read_id_lengths(r, &deleted);
        if (status == LARDER_OK)
            status = dump_read_length(r->reader, &added);
    }
    if (status != LARDER_OK)
        return status;
    if (length != stream_length(r->stream) || stream_id_is_less(last, stream_last_id(r->stream)))
        return LARDER_CORRUPT;
    stream_set_state(r->stream, last, deleted, added);
    return LARDER_OK;
}

/* ---- groups ---- */

static enum larder_status read_pending(struct stream_reader *r, struct stream_group *group) {
    uint64_t count, time_ms, deliveries;
    enum larder_status status = dump_read_length(r->reader, &count);
    for (; status == LARDER_OK && count > 0; count--) {
        struct stream_id id;
        status = dump_read_id(r->reader, &id);
        if (status == LARDER_OK)
            status = dump_read_number(r->reader, 8, &time_ms);
        if (status == LARDER_OK)
            status = dump_read_length(r->reader, &deliveries);
        if (status == LARDER_OK)
            status = stream_load_pending(r->stream, r->objects->allocator, group, id,
                                         (int64_t)time_ms, deliveries);
    }
    return status;
}

static enum larder_status create_consumer(struct stream_reader *r, struct stream_group *group,
                                          struct slice name, uint64_t seen_ms, uint64_t active_ms,
                                          struct stream_consumer **out) {
    if (stream_find_consumer(group, name) != NULL)
        return LARDER_CORRUPT;
    *out = stream_create_consumer(r->stream, r->objects->allocator, group, name, (int64_t)seen_ms);
    if (*out == NULL)
        return LARDER_NO_MEMORY;
    stream_consumer_set(*out, (int64_t)seen_ms, (int64_t)active_ms);
    return LARDER_OK;
}

static enum larder_status read_consumer(struct stream_reader *r, struct stream_group *group) {
    struct dump_string name;
    struct stream_consumer *consumer;
    struct stream_id id;
    uint64_t seen_ms, active_ms, count;
    enum larder_status status = dump_read_string(r->reader, &name);
    if (status != LARDER_OK)
        return status;
    status = dump_read_number(r->reader, 8, &seen_ms);
    active_ms = seen_ms;
    if (status == LARDER_OK && r->type == DUMP_STREAM_3)
        status = dump_read_number(r->reader, 8, &active_ms);
    if (status == LARDER_OK)
        status = create_consumer(r, group, name.text, seen_ms, active_ms, &consumer);
    dump_string_finish(&name, r->reader->allocator);
    if (status == LARDER_OK)
        status = dump_read_length(r->reader, &count);
    for (; status == LARDER_OK && count > 0; count--) {
        status = dump_read_id(r->reader, &id);
        if (status == LARDER_OK)
            status = stream_load_owner(r->stream, r->objects->allocator, group, consumer, id);
    }
    return status;
}

static enum larder_status create_group(struct stream_reader *r, struct slice name,
                                       struct stream_group **out) {
    struct stream_id last;
    uint64_t entries_read;
    enum larder_status status = read_id_lengths(r, &last);
    if (status == LARDER_OK && r->type != DUMP_STREAM)
        status = dump_read_length(r->reader, &entries_read);
    else
        entries_read = (uint64_t)stream_estimate_entries_read(r->stream, last);
    if (status != LARDER_OK)
        return status;
    if (stream_find_group(r->stream, name) != NULL || (int64_t)entries_read < -1)
        return LARDER_CORRUPT;
    *out = stream_create_group(r->stream, r->objects->allocator, name, last, (int64_t)entries_read);
    return *out != NULL ? LARDER_OK : LARDER_NO_MEMORY;
}

static enum larder_status read_group(struct stream_reader *r) {
    struct dump_string name;
    struct stream_group *group;
    uint64_t count;
    enum larder_status status = dump_read_string(r->reader, &name);
    if (status != LARDER_OK)
        return status;
    status = create_group(r, name.text, &group);
    dump_string_finish(&name, r->reader->allocator);
    if (status == LARDER_OK)
        status = read_pending(r, group);
    if (status == LARDER_OK)
        status = dump_read_length(r->reader, &count);
    for (; status == LARDER_OK && count > 0; count--)
        status = read_consumer(r, group);
    return status;
}

static enum larder_status read_all(struct stream_reader *r) {
    uint64_t count;
    enum larder_status status = dump_read_length(r->reader, &count);
    for (; status == LARDER_OK && count > 0; count--)
        status = read_node(r);
    if (status == LARDER_OK)
        status = read_counters(r);
    if (status == LARDER_OK)
        status = dump_read_length(r->reader, &count);
    for (; status == LARDER_OK && count > 0; count--)
        status = read_group(r);
    return status == LARDER_OK && !stream_is_complete(r->stream) ? LARDER_CORRUPT : status;
}

enum larder_status dump_read_stream(struct dump_reader *reader, enum dump_type type,
                                    const struct object_context *objects, struct object **out) {
    const struct allocator *allocator = objects->allocator;
    struct stream_reader r = {.reader = reader, .objects = objects, .type = type};
    *out = r.stream = stream_create(objects);
    if (r.stream == NULL)
        return LARDER_NO_MEMORY;
    enum larder_status status = make_room(&r, FIRST_TEXTS, FIRST_TEXTS);
    if (status == LARDER_OK)
        status = read_all(&r);
    if (r.held != NULL)
        allocator_release(allocator, r.held, r.held_room * sizeof(*r.held));
    if (r.texts != NULL)
        allocator_release(allocator, r.texts, r.texts_room * sizeof(*r.texts));

    return status;
}
