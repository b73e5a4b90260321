/* SPDX-License-Identifier: BSD-3-Clause */
/* The life of asynchronous contexts: connecting, events, timeouts, and an end that is safe at any
 * moment. While any callback runs VALKEY_IN_CALLBACK is set; disconnect and free then only leave
 * their flag, and whoever called the callback carries it out (async_settle). */
#include "client/async_internal.h"
#include "client/connect_opening.h"

valkeyAsyncContext *async_of(valkeyContext *c) {
    return (valkeyAsyncContext *)(void *)c;
}

void async_copy_error(valkeyAsyncContext *ac) {
    ac->err = ac->c.err;
    ac->errstr = ac->c.errstr;
}

valkeyAsyncContext *valkeyAsyncConnectWithOptions(const valkeyOptions *options) {
    valkeyOptions own = *options;
    own.push_cb = NULL;
    own.options |= VALKEY_OPT_NONBLOCK | VALKEY_OPT_NO_PUSH_AUTOFREE;
    struct connection *connection = connection_create(&own, sizeof(valkeyAsyncContext));
    if (connection == NULL)
        return NULL;
    valkeyAsyncContext *ac = async_of(&connection->context);
    ac->push_cb = options->async_push_cb;
    connection->is_async = true;
    connection->async.connecting_since_ms = clock_now_ms();
    ac->timeout_reply_count = VALKEY_TIMEOUT_INACTIVE;
    connection_open(&ac->c, &own);
    /* Connected is what the first event finds out. */
    ac->c.flags &= ~VALKEY_CONNECTED;
    ac->saddr = ac->c.saddr;
    ac->addrlen = ac->c.addrlen;
    async_copy_error(ac);
    return ac;
}

static valkeyAsyncContext *connect_to(const char *ip, int port, int flags,
                                      const char *source_addr) {
    valkeyOptions options = {.options = flags};
    VALKEY_OPTIONS_SET_TCP(&options, ip, port);
    options.endpoint.tcp.source_addr = source_addr;
    return valkeyAsyncConnectWithOptions(&options);
}

valkeyAsyncContext *valkeyAsyncConnect(const char *ip, int port) {
    return connect_to(ip, port, 0, NULL);
}

valkeyAsyncContext *valkeyAsyncConnectBind(const char *ip, int port, const char *source_addr) {
    return connect_to(ip, port, 0, source_addr);
}

valkeyAsyncContext *valkeyAsyncConnectBindWithReuse(const char *ip, int port,
                                                    const char *source_addr) {
    return connect_to(ip, port, VALKEY_OPT_REUSEADDR, source_addr);
}

valkeyAsyncContext *valkeyAsyncConnectUnix(const char *path) {
    valkeyOptions options = {0};
    VALKEY_OPTIONS_SET_UNIX(&options, path);
    return valkeyAsyncConnectWithOptions(&options);
}

enum { OPEN_DELAY_MIN_MS = 1, OPEN_DELAY_MAX_MS = 16 };

static struct async_state *state_of(const valkeyAsyncContext *ac) {
    return &connection_of((valkeyContext *)(uintptr_t)&ac->c)->async;
}

/* When the server has been silent for too long; DEADLINE_NONE: nothing is waited for. */
static long long deadline_of(const valkeyAsyncContext *ac) {
    const struct async_state *state = state_of(ac);
    bool is_connected = ac->c.flags & VALKEY_CONNECTED;
    const struct timeval *timeout = is_connected ? ac->c.command_timeout : ac->c.connect_timeout;
    const valkeyCallback *head = ac->replies.head;
    if (timeout == NULL || (timeout->tv_sec == 0 && timeout->tv_usec == 0) ||
        (is_connected && (head == NULL || head->subscribed == WAITING_MONITOR)))
        return DEADLINE_NONE;
    return (is_connected ? state->waiting_since_ms : state->connecting_since_ms) +
           (long long)timeout->tv_sec * 1000 + (timeout->tv_usec + 999) / 1000;
}

static void schedule_timer(valkeyAsyncContext *ac) {
    const struct async_state *state = state_of(ac);
    long long at_ms = deadline_of(ac);
    if (state->on_wake != NULL && (at_ms == DEADLINE_NONE || state->wake_at_ms < at_ms))
        at_ms = state->wake_at_ms;
    if (state->open_at_ms != 0 && (at_ms == DEADLINE_NONE || state->open_at_ms < at_ms))
        at_ms = state->open_at_ms;
    if (at_ms == DEADLINE_NONE || ac->ev.scheduleTimer == NULL)
        return;
    long long left_ms = at_ms - clock_now_ms();
    if (left_ms < 1)
        left_ms = 1;
    struct timeval left = {.tv_sec = (time_t)(left_ms / 1000),
                           .tv_usec = (suseconds_t)(left_ms % 1000 * 1000)};
    ac->ev.scheduleTimer(ac->ev.data, left);
    ac->timeout_reply_count = 0;
}

void async_arm_timer(valkeyAsyncContext *ac) {
    if (ac->timeout_reply_count == VALKEY_TIMEOUT_INACTIVE)
        schedule_timer(ac);
}

bool async_wake_at(valkeyAsyncContext *ac, long long at_ms, void (*fn)(valkeyAsyncContext *)) {
    if (ac->ev.scheduleTimer == NULL)
        return false;
    state_of(ac)->wake_at_ms = at_ms;
    state_of(ac)->on_wake = fn;
    schedule_timer(ac);
    return true;
}

int valkeyAsyncSetConnectCallback(valkeyAsyncContext *ac, valkeyConnectCallback *fn) {
    if (ac->onConnect != NULL)
        return VALKEY_ERR;
    ac->onConnect = fn;
    /* A socket that connects becomes writable. */
    async_arm_timer(ac);
    event_add_write(ac);
    return VALKEY_OK;
}

int valkeyAsyncSetDisconnectCallback(valkeyAsyncContext *ac, valkeyDisconnectCallback *fn) {
    if (ac->onDisconnect != NULL)
        return VALKEY_ERR;
    ac->onDisconnect = fn;
    return VALKEY_OK;
}

valkeyAsyncPushFn *valkeyAsyncSetPushCallback(valkeyAsyncContext *ac, valkeyAsyncPushFn *fn) {
    valkeyAsyncPushFn *previous = ac->push_cb;
    ac->push_cb = fn;
    return previous;
}

int valkeyAsyncSetTimeout(valkeyAsyncContext *ac, struct timeval tv) {
    if (!timeout_is_valid(&tv))
        return VALKEY_ERR;
    if (ac->c.command_timeout == NULL)
        ac->c.command_timeout = vk_malloc(sizeof tv);
    if (ac->c.command_timeout == NULL) {
        (void)connection_fail_memory(&ac->c);
        async_copy_error(ac);
        return VALKEY_ERR;
    }
    *ac->c.command_timeout = tv;
    return VALKEY_OK;
}

bool async_run_callback(valkeyAsyncContext *ac, const valkeyCallback *callback, void *reply) {
    if (callback->fn == NULL)
        return false;
    int was_in_callback = ac->c.flags & VALKEY_IN_CALLBACK;
    ac->c.flags |= VALKEY_IN_CALLBACK;
    callback->fn(ac, reply, callback->privdata);
    if (!was_in_callback)
        ac->c.flags &= ~VALKEY_IN_CALLBACK;
    return true;
}

static void run_connect_callback(valkeyAsyncContext *ac, int status) {
    valkeyConnectCallback *fn = ac->onConnect;
    ac->onConnect = NULL;
    if (fn == NULL)
        return;
    int was_in_callback = ac->c.flags & VALKEY_IN_CALLBACK;
    ac->c.flags |= VALKEY_IN_CALLBACK;
    fn(ac, status);
    if (!was_in_callback)
        ac->c.flags &= ~VALKEY_IN_CALLBACK;
}

static void end_subscriptions(valkeyAsyncContext *ac, struct dict **table) {
    valkeyCallback callback;
    while (subscriptions_take(*table, &callback))
        (void)async_run_callback(ac, &callback, NULL);
    subscriptions_destroy(*table);
    *table = NULL;
}

/* Everything the program hears about the end: NULL replies, then the disconnect callback. */
static void announce_end(valkeyAsyncContext *ac, int status) {
    while (ac->replies.head != NULL) {
        valkeyCallback callback = *ac->replies.head;
        queue_pop(ac);
        if (callback.subscribed == WAITING_REPLY || callback.subscribed == WAITING_MONITOR)
            (void)async_run_callback(ac, &callback, NULL);
    }
    end_subscriptions(ac, &ac->sub.channels);
    end_subscriptions(ac, &ac->sub.patterns);
    end_subscriptions(ac, &ac->sub.schannels);
    event_cleanup(ac);
    valkeyDisconnectCallback *fn = ac->onDisconnect;
    ac->onDisconnect = NULL;
    if (fn == NULL || !(ac->c.flags & VALKEY_CONNECTED))
        return;
    ac->c.flags |= VALKEY_IN_CALLBACK;
    fn(ac, status);
    ac->c.flags &= ~(VALKEY_IN_CALLBACK | VALKEY_CONNECTED);
}

static void free_now(valkeyAsyncContext *ac) {
    int status = ac->c.flags & VALKEY_FREEING || ac->err == 0 ? VALKEY_OK : VALKEY_ERR;
    ac->c.flags |= VALKEY_FREEING | VALKEY_DISCONNECTING;
    announce_end(ac, status);
    if (ac->dataCleanup != NULL)
        ac->dataCleanup(ac->data);
    callback_free_spares(ac);
    connection_destroy(&ac->c, false);
}

void valkeyAsyncFree(valkeyAsyncContext *ac) {
    if (ac == NULL || ac->c.flags & VALKEY_FREEING)
        return;
    ac->c.flags |= VALKEY_FREEING;
    if (!(ac->c.flags & VALKEY_IN_CALLBACK))
        free_now(ac);
}

void valkeyAsyncDisconnectInternal(valkeyAsyncContext *ac) {
    async_copy_error(ac);
    ac->c.flags |= VALKEY_DISCONNECTING;
    if (!(ac->c.flags & VALKEY_NO_AUTO_FREE)) {
        free_now(ac);
        return;
    }
    announce_end(ac, ac->err == 0 ? VALKEY_OK : VALKEY_ERR);
    ac->c.funcs->close(&ac->c);
    if (ac->c.flags & VALKEY_FREEING)
        free_now(ac);
}

/* MONITOR has no last reply to wait for. */
static bool is_drained(const valkeyAsyncContext *ac) {
    const valkeyCallback *head = ac->replies.head;
    return ac->c.flags & VALKEY_DISCONNECTING &&
           (head == NULL || head->subscribed == WAITING_MONITOR);
}

bool async_settle(valkeyAsyncContext *ac) {
    if (ac->c.flags & VALKEY_IN_CALLBACK)
        return false;
    if (ac->c.flags & VALKEY_FREEING) {
        free_now(ac);
        return true;
    }
    if (is_drained(ac)) {
        valkeyAsyncDisconnectInternal(ac);
        return true;
    }
    return false;
}

void valkeyAsyncDisconnect(valkeyAsyncContext *ac) {
    ac->c.flags |= VALKEY_DISCONNECTING;
    ac->c.flags &= ~VALKEY_NO_AUTO_FREE;
    (void)async_settle(ac);
}

/* Find out how connecting went. False: not connected, and the context may be gone. */
static bool handle_connect(valkeyAsyncContext *ac) {
    int completed = 0;
    if (ac->c.err != 0 || valkeyCheckConnectDone(&ac->c, &completed) != VALKEY_OK) {
        async_copy_error(ac);
        run_connect_callback(ac, VALKEY_ERR);
        valkeyAsyncDisconnectInternal(ac);
        return false;
    }
    if (!completed)
        return false;
    ac->c.flags |= VALKEY_CONNECTED;
    state_of(ac)->waiting_since_ms = clock_now_ms();
    run_connect_callback(ac, VALKEY_OK);
    if (async_settle(ac))
        return false;
    ac->timeout_reply_count = VALKEY_TIMEOUT_INACTIVE;
    async_arm_timer(ac);
    return true;
}

void valkeyAsyncHandleRead(valkeyAsyncContext *ac) {
    if (ac->c.flags & VALKEY_CONNECTED || handle_connect(ac))
        ac->c.funcs->async_read(ac);
}

void valkeyAsyncHandleWrite(valkeyAsyncContext *ac) {
    if (ac->c.flags & VALKEY_CONNECTED || handle_connect(ac))
        ac->c.funcs->async_write(ac);
}

void valkeyAsyncRead(valkeyAsyncContext *ac) {
    if (valkeyBufferRead(&ac->c) != VALKEY_OK) {
        valkeyAsyncDisconnectInternal(ac);
        return;
    }
    event_add_read(ac);
    valkeyProcessCallbacks(ac);
}

void valkeyAsyncWrite(valkeyAsyncContext *ac) {
    int done = 0;
    if (valkeyBufferWrite(&ac->c, &done) != VALKEY_OK) {
        valkeyAsyncDisconnectInternal(ac);
        return;
    }
    if (done)
        event_del_write(ac);
    else
        event_add_write(ac);
    event_add_read(ac);
}

static void opening_failed(valkeyAsyncContext *ac) {
    async_copy_error(ac);
    run_connect_callback(ac, VALKEY_ERR);
    valkeyAsyncDisconnectInternal(ac);
}

static void opening_done(valkeyAsyncContext *ac) {
    ac->saddr = ac->c.saddr;
    ac->addrlen = ac->c.addrlen;
    event_add_write(ac);
}

void async_open_soon(valkeyAsyncContext *ac) {
    struct async_state *state = state_of(ac);
    if (state->open_at_ms != 0)
        return;
    if (ac->ev.addWrite != NULL && ac->ev.scheduleTimer == NULL) {
        /* An adapter without timers: nothing else will drive it. On failure the first event of the
         * placeholder finds the error. */
        (void)opening_finish(&ac->c);
        opening_done(ac);
        return;
    }
    state->open_at_ms = clock_now_ms() + OPEN_DELAY_MIN_MS;
    state->open_delay_ms = OPEN_DELAY_MIN_MS;
    schedule_timer(ac);
}

/* The next step of an opening, if it is time. True: the context is gone. */
static bool run_opening(valkeyAsyncContext *ac) {
    struct async_state *state = state_of(ac);
    if (state->opening == NULL || state->open_at_ms == 0 || state->open_at_ms > clock_now_ms())
        return false;
    state->open_at_ms = 0;
    switch (opening_step(&ac->c)) {
    case OPENING_FAILED: opening_failed(ac); return true;
    case OPENING_DONE: opening_done(ac); return false;
    default: break;
    }
    if (state->open_delay_ms < OPEN_DELAY_MAX_MS)
        state->open_delay_ms *= 2;
    state->open_at_ms = clock_now_ms() + state->open_delay_ms;
    schedule_timer(ac);
    return false;
}

/* Call what is to be called by now. True: the context is gone. */
static bool run_wake(valkeyAsyncContext *ac) {
    struct async_state *state = state_of(ac);
    void (*fn)(valkeyAsyncContext *) = state->on_wake;
    if (fn == NULL || state->wake_at_ms > clock_now_ms())
        return false;
    state->on_wake = NULL;
    int was_in_callback = ac->c.flags & VALKEY_IN_CALLBACK;
    ac->c.flags |= VALKEY_IN_CALLBACK;
    fn(ac);
    if (!was_in_callback)
        ac->c.flags &= ~VALKEY_IN_CALLBACK;
    return async_settle(ac);
}

void valkeyAsyncHandleTimeout(valkeyAsyncContext *ac) {
    ac->timeout_reply_count = VALKEY_TIMEOUT_INACTIVE;
    if (run_opening(ac) || run_wake(ac))
        return;
    long long deadline = deadline_of(ac);
    if (deadline == DEADLINE_NONE || deadline_left_ms(deadline) > 0) {
        async_arm_timer(ac);
        return;
    }
    (void)connection_fail(&ac->c, VALKEY_ERR_TIMEOUT, "Timeout");
    async_copy_error(ac);
    if (!(ac->c.flags & VALKEY_CONNECTED))
        run_connect_callback(ac, VALKEY_ERR);
    valkeyAsyncDisconnectInternal(ac);
}
