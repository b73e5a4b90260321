/* SPDX-License-Identifier: BSD-3-Clause */
/* The answers to CLUSTER SLOTS and CLUSTER NODES, redirections and addresses. */
#include "client/cluster_ranges.h"

#include <string.h>

enum { PORT_MAX = 65535 };

enum add_result ranges_add(struct ranges *ranges, struct range range) {
    bool has_slots = range.start >= 0;
    if (has_slots && (range.end < range.start || range.end >= VALKEYCLUSTER_SLOTS))
        return ADD_MALFORMED;
    if (range.address.port < 1 || range.address.port > PORT_MAX || range.address.host_size == 0)
        return ADD_MALFORMED;
    if (ranges->count == ranges->capacity) {
        size_t capacity = ranges->capacity * 2 + 16;
        struct range *grown = vk_realloc(ranges->items, capacity * sizeof *grown);
        if (grown == NULL)
            return ADD_NO_MEMORY;
        ranges->items = grown;
        ranges->capacity = capacity;
    }
    ranges->items[ranges->count++] = range;
    return ADDED;
}

struct address address_of(const struct cluster_node *from, const char *host, size_t size,
                          int port) {
    if (host == NULL || size == 0 || (size == 1 && host[0] == '?'))
        return (struct address){from->base.host, strlen(from->base.host), port};
    return (struct address){host, size, port};
}

/* [host, port, ...] */
static bool read_endpoint(const struct cluster_node *from, const valkeyReply *reply,
                          struct address *out) {
    if (reply->type != VALKEY_REPLY_ARRAY || reply->elements < 2)
        return false;
    const valkeyReply *host = reply->element[0], *port = reply->element[1];
    if ((host->type != VALKEY_REPLY_STRING && host->type != VALKEY_REPLY_NIL) ||
        port->type != VALKEY_REPLY_INTEGER || port->integer < 1 || port->integer > PORT_MAX)
        return false;
    *out = address_of(from, host->str, host->len, (int)port->integer);
    return true;
}

/* CLUSTER SLOTS: [[first, last, primary, replica ...] ...] */
enum add_result ranges_read_slots(const struct cluster_node *from, const valkeyReply *reply,
                                  bool wants_replicas, struct ranges *ranges) {
    for (size_t i = 0; i < reply->elements; i++) {
        const valkeyReply *entry = reply->element[i];
        if (entry->type != VALKEY_REPLY_ARRAY || entry->elements < 3 ||
            entry->element[0]->type != VALKEY_REPLY_INTEGER ||
            entry->element[1]->type != VALKEY_REPLY_INTEGER)
            return ADD_MALFORMED;
        long long start = entry->element[0]->integer, end = entry->element[1]->integer;
        if (start < 0 || end < start || end >= VALKEYCLUSTER_SLOTS)
            return ADD_MALFORMED;
        size_t last = wants_replicas ? entry->elements : 3, primary = ranges->count;
        for (size_t j = 2; j < last; j++) {
            struct range range = {.start = j == 2 ? (int)start : -1,
                                  .end = j == 2 ? (int)end : -1,
                                  .is_replica = j > 2,
                                  .primary = primary};
            if (!read_endpoint(from, entry->element[j], &range.address))
                return ADD_MALFORMED;
            enum add_result result = ranges_add(ranges, range);
            if (result != ADDED)
                return result;
        }
    }
    return ADDED;
}

/* The next run of characters other than `separator` and line ends. */
static bool next_token(const char **at, const char *end, struct token *out) {
    while (*at < end && (**at == ' ' || **at == '\r'))
        (*at)++;
    out->text = *at;
    while (*at < end && **at != ' ' && **at != '\r')
        (*at)++;
    out->size = (size_t)(*at - out->text);
    return out->size > 0;
}

static bool has_flag(struct token flags, const char *flag) {
    size_t size = strlen(flag);
    const char *at = flags.text, *end = flags.text + flags.size;
    while (at < end) {
        const char *comma = memchr(at, ',', (size_t)(end - at));
        size_t length = (size_t)((comma == NULL ? end : comma) - at);
        if (length == size && memcmp(at, flag, size) == 0)
            return true;
        at += length + 1;
    }
    return false;
}

/* Digits up to `end` or a byte in `stops`. Below 0: there are none, or too many. */
static int read_number(const char **at, const char *end) {
    int value = 0, digits = 0;
    for (; *at < end && **at >= '0' && **at <= '9' && digits < 6; (*at)++, digits++)
        value = value * 10 + (**at - '0');
    return digits == 0 || digits == 6 ? -1 : value;
}

/* host:port, where the last colon counts; what may follow the port is left alone. */
static bool read_address(const struct cluster_node *from, struct token token, struct address *out) {
    const char *end = token.text + token.size;
    const char *stop = memchr(token.text, '@', token.size);
    if (stop == NULL)
        stop = memchr(token.text, ',', token.size);
    const char *colon = stop == NULL ? end : stop;
    while (colon > token.text && colon[-1] != ':')
        colon--;
    if (colon == token.text)
        return false;
    const char *at = colon;
    int port = read_number(&at, end);
    if (port < 1 || port > PORT_MAX || (at != end && at != stop))
        return false;
    *out = address_of(from, token.text, (size_t)(colon - 1 - token.text), port);
    return true;
}

/* "5" or "0-100"; "[5->-id]" is a slot on its way and says nothing about who serves it. */
static bool read_slots_token(struct token token, struct range *range) {
    const char *at = token.text, *end = token.text + token.size;
    range->start = range->end = read_number(&at, end);
    if (at < end && *at == '-') {
        at++;
        range->end = read_number(&at, end);
    }
    return range->start >= 0 && range->end >= 0 && at == end;
}

/* <id> <address> <flags> <primary> <ping> <pong> <epoch> <link> <slots ...> */
static enum add_result read_line(const struct cluster_node *from, const char *at, const char *end,
                                 bool wants_replicas, struct ranges *ranges) {
    struct token tokens[8], slots;
    for (int i = 0; i < 8; i++)
        if (!next_token(&at, end, &tokens[i]))
            return ADD_MALFORMED;
    if (has_flag(tokens[2], "noaddr") || has_flag(tokens[2], "handshake"))
        return ADDED;
    struct range range = {.start = -1,
                          .end = -1,
                          .primary = RANGES_NO_PRIMARY,
                          .id = tokens[0],
                          .primary_id = tokens[3]};
    if (!read_address(from, tokens[1], &range.address))
        return ADD_MALFORMED;
    range.is_replica = has_flag(tokens[2], "slave") || has_flag(tokens[2], "replica");
    if (range.is_replica)
        return wants_replicas ? ranges_add(ranges, range) : ADDED;
    while (next_token(&at, end, &slots)) {
        if (slots.text[0] == '[')
            continue;
        if (!read_slots_token(slots, &range))
            return ADD_MALFORMED;
        enum add_result result = ranges_add(ranges, range);
        if (result != ADDED)
            return result;
    }
    return ADDED;
}

static bool is_same(struct token left, struct token right) {
    return left.size == right.size && memcmp(left.text, right.text, left.size) == 0;
}

/* Replicas name their primaries, which may stand behind them. */
static void find_primaries(const struct ranges *ranges) {
    for (size_t i = 0; i < ranges->count; i++) {
        struct range *replica = &ranges->items[i];
        for (size_t j = 0; replica->is_replica && j < ranges->count; j++)
            if (!ranges->items[j].is_replica && is_same(ranges->items[j].id, replica->primary_id)) {
                replica->primary = j;
                break;
            }
    }
}

enum add_result ranges_read_nodes(const struct cluster_node *from, const valkeyReply *reply,
                                  bool wants_replicas, struct ranges *ranges) {
    const char *at = reply->str, *end = reply->str + reply->len;
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        if (line_end == NULL)
            line_end = end;
        if (line_end > at && *at != '\r') {
            enum add_result result = read_line(from, at, line_end, wants_replicas, ranges);
            if (result != ADDED)
                return result;
        }
        at = line_end + (line_end < end);
    }
    find_primaries(ranges);
    return ADDED;
}

bool cluster_parse_redirect(const struct cluster_node *from, const char *text, int *out_slot,
                            const char **out_host, size_t *out_host_size, int *out_port) {
    const char *at = text, *end = text + strlen(text);
    struct token word, number, target;
    if (!next_token(&at, end, &word) || !next_token(&at, end, &number) ||
        !next_token(&at, end, &target))
        return false;
    const char *digit = number.text, *number_end = number.text + number.size;
    *out_slot = read_number(&digit, number_end);
    struct address address;
    if (*out_slot < 0 || *out_slot >= VALKEYCLUSTER_SLOTS || digit != number_end ||
        !read_address(from, target, &address))
        return false;
    *out_host = address.host;
    *out_host_size = address.host_size;
    *out_port = address.port;
    return true;
}

bool cluster_parse_seed(const char *text, size_t size, const char **out_host, size_t *out_host_size,
                        int *out_port) {
    const char *end = text + size, *colon = end;
    while (colon > text && colon[-1] != ':')
        colon--;
    if (colon <= text + 1)
        return false;
    const char *at = colon;
    *out_port = read_number(&at, end);
    *out_host = text;
    *out_host_size = (size_t)(colon - 1 - text);
    return *out_port >= 1 && *out_port <= PORT_MAX && at == end;
}
