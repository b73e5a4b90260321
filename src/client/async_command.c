/* SPDX-License-Identifier: BSD-3-Clause */
/* Sending commands: the bytes go to the output, a callback to the end of the queue. Names that
 * change how replies are matched are recognised in the bytes. Everything that can fail happens
 * before the output counts. */
#include "client/async_internal.h"
#include "client/command_text.h"

#include <string.h>
#include <strings.h>

enum { SPARES_MAX = 64 };

valkeyCallback *callback_take_spare(valkeyAsyncContext *ac) {
    struct async_state *state = &connection_of(&ac->c)->async;
    valkeyCallback *callback = state->spares;
    if (callback == NULL)
        return vk_malloc(sizeof *callback);
    state->spares = callback->next;
    state->spare_count--;
    return callback;
}

void callback_give_back(valkeyAsyncContext *ac, valkeyCallback *callback) {
    struct async_state *state = &connection_of(&ac->c)->async;
    if (state->spare_count >= SPARES_MAX) {
        vk_free(callback);
        return;
    }
    callback->next = state->spares;
    state->spares = callback;
    state->spare_count++;
}

void callback_free_spares(valkeyAsyncContext *ac) {
    struct async_state *state = &connection_of(&ac->c)->async;
    while (state->spares != NULL) {
        valkeyCallback *next = state->spares->next;
        vk_free(state->spares);
        state->spares = next;
    }
}

void queue_push(valkeyAsyncContext *ac, valkeyCallback *callback) {
    callback->next = NULL;
    if (ac->replies.head == NULL) {
        ac->replies.head = callback;
        if (ac->c.command_timeout != NULL)
            connection_of(&ac->c)->async.waiting_since_ms = clock_now_ms();
    } else {
        ac->replies.tail->next = callback;
    }
    ac->replies.tail = callback;
}

void queue_pop(valkeyAsyncContext *ac) {
    valkeyCallback *head = ac->replies.head;
    ac->replies.head = head->next;
    if (head->next == NULL)
        ac->replies.tail = NULL;
    if (ac->c.command_timeout != NULL)
        connection_of(&ac->c)->async.waiting_since_ms = clock_now_ms();
    callback_give_back(ac, head);
}

/* What a command's name means for the matching of replies. */
struct meaning {
    enum waiting_kind kind;
    struct dict **table;
};

static struct meaning meaning_of(valkeyAsyncContext *ac, const char *name, size_t size) {
    struct {
        const char *name;
        struct meaning meaning;
    } known[] = {
        {"SUBSCRIBE", {WAITING_SUBSCRIBE, &ac->sub.channels}},
        {"PSUBSCRIBE", {WAITING_SUBSCRIBE, &ac->sub.patterns}},
        {"SSUBSCRIBE", {WAITING_SUBSCRIBE, &ac->sub.schannels}},
        {"UNSUBSCRIBE", {WAITING_UNSUBSCRIBE, &ac->sub.channels}},
        {"PUNSUBSCRIBE", {WAITING_UNSUBSCRIBE, &ac->sub.patterns}},
        {"SUNSUBSCRIBE", {WAITING_UNSUBSCRIBE, &ac->sub.schannels}},
        {"MONITOR", {WAITING_MONITOR, NULL}},
    };
    if (size >= 7 && size <= 12)
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            if (strlen(known[i].name) == size && strncasecmp(known[i].name, name, size) == 0)
                return known[i].meaning;
    return (struct meaning){.kind = WAITING_REPLY};
}

/* Enter the channels of a SUBSCRIBE. Returns how many, -1 without memory: nothing is entered. */
static int note_subscribe(struct dict **table, struct command_cursor words,
                          const valkeyCallback *given) {
    const char *name;
    size_t size;
    if (*table == NULL && (*table = subscriptions_create()) == NULL)
        return -1;
    int count = 0;
    struct command_cursor again = words;
    for (; command_cursor_next(&again, &name, &size); count++) {
        if (subscriptions_get(*table, name, size) != NULL)
            continue;
        struct command_cursor undo = words;
        for (int i = 0; i < count && command_cursor_next(&undo, &name, &size); i++) {
            const valkeyCallback *entry = subscriptions_find(*table, name, size);
            if (entry != NULL && entry->pending_subs == 0 && !entry->subscribed)
                subscriptions_remove(*table, name, size);
        }
        return -1;
    }
    while (command_cursor_next(&words, &name, &size)) {
        valkeyCallback *entry = subscriptions_find(*table, name, size);
        entry->fn = given->fn;
        entry->privdata = given->privdata;
        entry->pending_subs++;
        entry->unsubscribe_sent = 0;
    }
    return count;
}

static bool note_end(valkeyCallback *entry, void *context) {
    *(int *)context += !entry->unsubscribe_sent;
    entry->unsubscribe_sent = 1;
    return true;
}

/* Mark the channels of an UNSUBSCRIBE. Returns how many confirmations it will get. */
static int note_unsubscribe(struct dict *table, struct command_cursor words) {
    const char *name;
    size_t size;
    int count = 0;
    for (; command_cursor_next(&words, &name, &size); count++) {
        valkeyCallback *entry = subscriptions_find(table, name, size);
        if (entry != NULL)
            entry->unsubscribe_sent = 1;
    }
    if (count == 0) {
        subscriptions_filter(table, note_end, &count);
        count += count == 0;
    }
    return count;
}

/* Queue the callback for the `size` bytes reserved at the end of the output, and send them. */
static int enqueue(valkeyAsyncContext *ac, valkeyCallbackFn *fn, void *privdata,
                   const char *command, size_t size) {
    valkeyCallback *callback = callback_take_spare(ac);
    if (callback == NULL)
        return connection_fail_memory(&ac->c);
    *callback = (valkeyCallback){.fn = fn, .privdata = privdata};
    struct command_cursor words;
    const char *name = "";
    size_t name_size = 0;
    if (command_cursor_open(&words, command, size))
        (void)command_cursor_next(&words, &name, &name_size);
    struct meaning meaning = meaning_of(ac, name, name_size);
    callback->subscribed = (int)meaning.kind;
    if (meaning.kind == WAITING_SUBSCRIBE) {
        callback->pending_subs = note_subscribe(meaning.table, words, callback);
        if (callback->pending_subs < 0) {
            callback_give_back(ac, callback);
            return connection_fail_memory(&ac->c);
        }
        if (callback->pending_subs > 0)
            ac->c.flags |= VALKEY_SUBSCRIBED;
    } else if (meaning.kind == WAITING_UNSUBSCRIBE) {
        callback->pending_subs = note_unsubscribe(*meaning.table, words);
    } else if (meaning.kind == WAITING_MONITOR) {
        ac->c.flags |= VALKEY_MONITORING;
    }
    output_commit(&ac->c, size);
    queue_push(ac, callback);
    async_arm_timer(ac);
    event_add_write(ac);
    return VALKEY_OK;
}

static bool accepts_commands(const valkeyAsyncContext *ac) {
    return !(ac->c.flags & (VALKEY_DISCONNECTING | VALKEY_FREEING)) && ac->c.err == 0;
}

static int fail_memory(valkeyAsyncContext *ac) {
    (void)connection_fail_memory(&ac->c);
    async_copy_error(ac);
    return VALKEY_ERR;
}

int valkeyvAsyncCommand(valkeyAsyncContext *ac, valkeyCallbackFn *fn, void *privdata,
                        const char *format, va_list ap) {
    if (!accepts_commands(ac))
        return VALKEY_ERR;
    struct command_words words;
    enum command_status status = command_words_format(&words, format, ap);
    size_t size = status == COMMAND_OK ? command_words_size(&words) : 0;
    char *room = size == 0 ? NULL : output_reserve(&ac->c, size);
    if (room != NULL)
        command_words_write(&words, room);
    command_words_finish(&words);
    if (status == COMMAND_BAD_FORMAT)
        return VALKEY_ERR;
    if (room == NULL || enqueue(ac, fn, privdata, room, size) != VALKEY_OK)
        return fail_memory(ac);
    return VALKEY_OK;
}

int valkeyAsyncCommand(valkeyAsyncContext *ac, valkeyCallbackFn *fn, void *privdata,
                       const char *format, ...) {
    va_list ap;
    va_start(ap, format);
    int result = valkeyvAsyncCommand(ac, fn, privdata, format, ap);
    va_end(ap);
    return result;
}

int valkeyAsyncCommandArgv(valkeyAsyncContext *ac, valkeyCallbackFn *fn, void *privdata, int argc,
                           const char **argv, const size_t *argvlen) {
    if (!accepts_commands(ac))
        return VALKEY_ERR;
    size_t size = argc < 0 ? 0 : command_array_size(argc, argv, argvlen);
    char *room = size == 0 ? NULL : output_reserve(&ac->c, size);
    if (room != NULL)
        command_array_write(argc, argv, argvlen, room);
    if (room == NULL || enqueue(ac, fn, privdata, room, size) != VALKEY_OK)
        return fail_memory(ac);
    return VALKEY_OK;
}

int valkeyAsyncFormattedCommand(valkeyAsyncContext *ac, valkeyCallbackFn *fn, void *privdata,
                                const char *cmd, size_t len) {
    if (!accepts_commands(ac))
        return VALKEY_ERR;
    char *room = output_reserve(&ac->c, len);
    if (room != NULL)
        memcpy(room, cmd, len);
    if (room == NULL || enqueue(ac, fn, privdata, room, len) != VALKEY_OK)
        return fail_memory(ac);
    return VALKEY_OK;
}
