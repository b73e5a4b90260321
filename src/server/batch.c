/* SPDX-License-Identifier: BSD-3-Clause */
/* A pass of a loop over all ready connections: receive from each and read its complete commands,
 * then execute all commands in connection order, then send to each. Commands of many connections
 * are looked at together, so that the cache misses of one are waited for while another runs: a
 * group of GROUP commands first has its index buckets prefetched, then its records, then is
 * executed.
 *
 * What a batch takes from one connection is bounded (COMMANDS_PER_SESSION, RECEIVE_BYTES), so that
 * one busy client can't hold up the others; what remains is served in the next pass. */
#include "server/acl.h"
#include "server/delivery.h"
#include "server/observe.h"

#include <strings.h>

enum {
    SCRATCH_BYTES = 1 << 20,
    RECEIVE_BYTES = 16 * 1024,
    COMMANDS_PER_SESSION = 128,
    LARGE_RECEIVES = 64, /* per pass, of an argument that comes in its own block */
    GROUP = 16,
    REPLY_FLUSH_BYTES = 1 << 20,
    REPLY_KEEP_BYTES = 4 << 20,
    REQUESTS_PER_PART = 4096,
    KEPT_WHILE_BLOCKED_BYTES = 1 << 20,
};

enum larder_status server_thread_init_batch(struct server_thread *thread) {
    const struct allocator *a = thread->server->allocator;
    reply_init(&thread->reply, a);
    request_arguments_init(&thread->arguments, a);
    thread->scratch = allocator_allocate(a, SCRATCH_BYTES);
    return thread->scratch != NULL ? LARDER_OK : LARDER_NO_MEMORY;
}

void server_thread_finish_batch(struct server_thread *thread) {
    const struct allocator *a = thread->server->allocator;
    reply_finish(&thread->reply);
    request_arguments_finish(&thread->arguments);
    allocator_release(a, thread->scratch, SCRATCH_BYTES);
    allocator_release(a, thread->requests, thread->request_capacity * sizeof(*thread->requests));
}

static bool reserve_requests(struct server_thread *thread, size_t count) {
    if (thread->request_capacity - thread->request_count >= count)
        return true;
    size_t capacity = thread->request_capacity == 0 ? 256 : thread->request_capacity;
    while (capacity - thread->request_count < count)
        capacity *= 2;
    void *grown = allocator_resize(thread->server->allocator, thread->requests,
                                   thread->request_capacity * sizeof(*thread->requests),
                                   capacity * sizeof(*thread->requests));
    if (grown == NULL)
        return false;
    thread->requests = grown;
    thread->request_capacity = capacity;
    return true;
}

/* ---- receiving ---- */

/* Fill the block of a large argument first; the usual bytes follow once it is full. */
static enum larder_status receive_large(struct session *session) {
    for (unsigned i = 0; i < LARGE_RECEIVES; i++) {
        uint8_t *room;
        bool failed;
        size_t wanted = request_partial_room(session->partial, &room, &failed), got;
        if (failed)
            return LARDER_NO_MEMORY;
        if (wanted == 0)
            return LARDER_OK;
        enum larder_status status =
            connection_receive_into(&session->connection, room, wanted, &got);
        if (status != LARDER_OK)
            return status;
        request_partial_filled(session->partial, got);
    }
    return LARDER_AGAIN;
}

static enum larder_status receive(struct session *session, uint8_t *scratch) {
    session->received = session->connection.input;
    session->received_size = session->connection.input_used;
    if (session->has_more)
        return LARDER_AGAIN; /* enough is there */
    if (session->partial != NULL && session->connection.input_used == 0) {
        enum larder_status status = receive_large(session);
        if (status != LARDER_OK)
            return status;
    }
    return connection_receive(&session->connection, scratch, RECEIVE_BYTES, &session->received,
                              &session->received_size);
}

/* ---- reading commands ---- */

/* rename-command: the old name is unknown, the new one stands for it. */
static const struct command_spec *find_renamed(const struct server *server, struct slice name,
                                               const struct command_spec *spec) {
    for (size_t i = 0; i < server->renamed_count; i++) {
        const struct renamed_command *renamed = &server->renamed[i];
        bool is_new_name =
            renamed->name->size == name.size && name.size > 0 &&
            strncasecmp((const char *)renamed->name->data, (const char *)name.data, name.size) == 0;
        if (is_new_name)
            return renamed->spec;
        if (renamed->spec == spec)
            spec = NULL;
    }
    return spec;
}

/* Subcommands are commands of their own; an unknown one keeps its container's spec. */
const struct command_spec *server_find_command(const struct server *server,
                                               const struct slice *argv, size_t argc) {
    const struct command_spec *spec = command_find((const char *)argv[0].data, argv[0].size);
    if (server->renamed_count > 0)
        spec = find_renamed(server, argv[0], spec);
    if (spec == NULL || spec->subcommand_count == 0 || argc < 2)
        return spec;
    const struct command_spec *sub =
        command_find_subcommand(spec, (const char *)argv[1].data, argv[1].size);
    return sub != NULL ? sub : spec;
}

static const struct slice *arguments_of(const struct server_thread *thread,
                                        const struct request *request) {
    return request->partial != NULL ? request->partial->slices
                                    : thread->arguments.items + request->first_argument;
}

/* Which command, which key; have the key's bucket brought into the cache while more is read. */
static void prepare(struct server_thread *thread, struct request *request) {
    const struct keyspace *keyspace = &thread->server->node->keyspace;
    const struct slice *argv = arguments_of(thread, request);
    const struct command_spec *spec = server_find_command(thread->server, argv, request->argc);
    request->spec = spec;
    if (spec == NULL || spec->first_key <= 0 || (size_t)spec->first_key >= request->argc)
        return;
    keyspace_place(keyspace, argv[spec->first_key],
                   keyspace_collection(keyspace, request->session->database), &request->key);
    keyspace_prefetch_bucket(keyspace, &request->key, &request->bucket);
}

/* Read what is complete into the thread's requests. */
static void read_commands(struct server_thread *thread, struct session *session) {
    struct request_limits limits = {
        .argument_count = REQUEST_ARGUMENTS_MAX,
        .bulk_bytes = (size_t)atomic_load_explicit(&session->server->node->max_value_bytes,
                                                   memory_order_relaxed),
        .is_authenticated = !acl_must_authenticate(session),
    };
    /* What a client may send depends on whether it has authenticated itself: until then commands
     * are read one at a time. */
    size_t most = limits.is_authenticated ? COMMANDS_PER_SESSION : 1;
    size_t at = 0;
    session->first_request = thread->request_count;
    session->has_more = false;
    while (reserve_requests(thread, 1)) {
        struct request *request = &thread->requests[thread->request_count];
        *request = (struct request){.session = session, .first_argument = thread->arguments.count};
        if (thread->request_count - session->first_request == most) {
            session->has_more = at < session->received_size;
            return;
        }
        switch (request_read(&limits, session->received, session->received_size, &at,
                             &thread->arguments, &session->partial, &request->argc,
                             &session->error)) {
        case REQUEST_INCOMPLETE: session->consumed = at; return;
        case REQUEST_NO_MEMORY: loop_break(&thread->loop, &session->connection); return;
        case REQUEST_BROKEN: request->is_broken = true; break;
        case REQUEST_COMPLETE:
            request->partial = session->partial;
            session->partial = NULL;
            break;
        }
        if (request->argc > 0)
            prepare(thread, request);
        request->end = at;
        session->consumed = at;
        thread->request_count++;
        if (request->is_broken)
            return;
    }
    loop_break(&thread->loop, &session->connection);
}

/* While a command waits, what comes is only kept, up to a limit. */
static void keep_for_later(struct session *session) {
    struct connection *c = &session->connection;
    session->has_more = false;
    if (session->received_size > KEPT_WHILE_BLOCKED_BYTES) {
        c->flags |= CONNECTION_PAUSED;
        loop_watch(c->loop, c);
    }
}

/* Receive from one connection and read its commands. */
static void take_in(struct server_thread *thread, struct session *session, uint8_t *scratch) {
    struct connection *c = &session->connection;
    session->first_request = thread->request_count;
    session->consumed = session->used = 0;
    session->received = NULL; /* what was kept stays kept */
    session->received_size = 0;
    if ((c->flags & (CONNECTION_BROKEN | CONNECTION_PAUSED)) != 0 ||
        (session->flags & (SESSION_CLOSING | SESSION_PAUSED)) != 0)
        return;
    enum larder_status status = receive(session, scratch);
    if (status == LARDER_OK) {
        counter_add(&thread->statistics.reads_processed, 1);
        atomic_store_explicit(&session->active_ms, thread->now_ms, memory_order_relaxed);
    } else if (status != LARDER_AGAIN) {
        loop_break(&thread->loop, c);
    }
    if ((session->flags & SESSION_BLOCKED) != 0) {
        keep_for_later(session);
        return;
    }
    /* A command that was held back may be all there is: its bytes are in its partial. */
    if (status == LARDER_OK || session->received_size > 0 || session->has_more)
        read_commands(thread, session);
}

/* ---- executing ---- */

/* The buckets have come: have the records of a group brought too. */
static void prefetch_records(struct server_thread *thread, size_t from) {
    size_t end = from + GROUP < thread->request_count ? from + GROUP : thread->request_count;
    for (size_t i = from; i < end; i++)
        if (thread->requests[i].bucket != NULL)
            keyspace_prefetch_record(thread->requests[i].bucket, thread->requests[i].key.hash);
}

/* Before request number `at`: one group ahead of the one that runs. */
static void prefetch(struct server_thread *thread, size_t at) {
    if (at % GROUP != 0)
        return;
    if (at == 0)
        prefetch_records(thread, 0);
    prefetch_records(thread, at + GROUP);
}

/* The command waits for the end of CLIENT PAUSE. It is read again then, and so is what stands
 * behind it; of a partial the bytes are gone, so it is kept as it is. */
static void hold_back(struct session *session, struct request *request) {
    request_partial_destroy(session->partial);
    session->partial = request->partial;
    request->partial = NULL;
    if (session->partial != NULL)
        session->used = request->end;
}

static void run_request(struct server_thread *thread, struct session *session,
                        struct request *request) {
    if ((session->flags & (SESSION_CLOSING | SESSION_PAUSED | SESSION_BLOCKED)) != 0)
        return;
    if (request->is_broken) {
        struct reply_mark begin = reply_mark(&thread->reply);
        reply_error_format(&thread->reply, "ERR %s", session->error.text);
        if (thread->reply.failed)
            reply_cut(&thread->reply, begin);
        observe_error(session->server,
                      slice_of(thread->reply.data + begin.used, thread->reply.used - begin.used));
        counter_add(&thread->statistics.protocol_errors, 1);
        session_close_after_reply(session);
        return;
    }
    if (session->recipient != NULL)
        delivery_settle(session);
    if (request->argc == 0 || dispatch(thread, session, request, arguments_of(thread, request)))
        session->used = request->end;
    else
        hold_back(session, request);
}

static void run_session(struct server_thread *thread, struct session *session) {
    thread->reply.protocol = session->protocol;
    session->reply_begin = reply_mark(&thread->reply);
    size_t end = session->end_request;
    for (size_t i = session->first_request; i < end; i++) {
        struct request *request = &thread->requests[i];
        prefetch(thread, i);
        run_request(thread, session, request);
        if (request->partial != NULL)
            request_partial_destroy(request->partial);
    }
    session->reply_end = reply_mark(&thread->reply);
    if ((session->flags & SESSION_BLOCKED) != 0) {
        /* What stands behind the blocking command is read again when it has its reply. */
        request_partial_destroy(session->partial);
        session->partial = NULL;
    } else if ((session->flags & SESSION_PAUSED) == 0) {
        session->used = session->consumed; /* what a partial took is used too */
    }
}

/* ---- sending ---- */

static void finish_session(struct server_thread *thread, struct session *session) {
    struct connection *c = &session->connection;
    if ((c->flags & CONNECTION_BROKEN) != 0)
        return;
    enum larder_status status = LARDER_OK;
    if (session->reply_end.used > session->reply_begin.used) {
        status = connection_send(c, &thread->reply, session->reply_begin, session->reply_end);
        counter_add(&thread->statistics.writes_processed, 1);
    }
    if (status == LARDER_OK && session->received != NULL && (session->flags & SESSION_CLOSING) == 0)
        status = connection_keep(c, session->received + session->used,
                                 session->received_size - session->used);
    if (status != LARDER_OK) {
        loop_break(&thread->loop, c);
        return;
    }
    bool has_buffered = c->tls != NULL && tls_session_has_buffered(c->tls);
    if ((session->has_more || has_buffered) &&
        (session->flags & (SESSION_PAUSED | SESSION_BLOCKED)) == 0)
        loop_queue(&thread->loop, c);
    session_note(session);
}

/* Where a batch stands, for server_batch_let_go. */
struct batch_progress {
    struct connection **ready;
    size_t count; /* of the part: those whose commands were read */
    size_t at;    /* the one that runs */
    size_t unsent;
    size_t total; /* of the batch, from `ready` on */
};

static void run_and_send(struct server_thread *thread, struct batch_progress *p) {
    thread->command_began = cycle_clock_now(&thread->cycles);
    for (p->at = 0; p->at < p->count; p->at++) {
        run_session(thread, session_of(p->ready[p->at]));
        if (thread->reply.used + thread->reply.reference_bytes < REPLY_FLUSH_BYTES &&
            p->at + 1 < p->count)
            continue;
        for (; p->unsent <= p->at; p->unsent++)
            finish_session(thread, session_of(p->ready[p->unsent]));
        reply_clear(&thread->reply);
        thread->command_began = cycle_clock_now(&thread->cycles);
    }
    if (thread->reply.capacity > REPLY_KEEP_BYTES)
        reply_finish(&thread->reply);
}

void server_batch_let_go(struct server_thread *thread) {
    struct batch_progress *p = thread->batch;
    if (p == NULL)
        return;
    for (; p->unsent < p->at; p->unsent++)
        finish_session(thread, session_of(p->ready[p->unsent]));
    struct reply outer = thread->reply;
    reply_init(&thread->reply, thread->server->allocator);
    for (size_t i = p->at + 1; i < p->count; i++) {
        run_session(thread, session_of(p->ready[i]));
        finish_session(thread, session_of(p->ready[i]));
        reply_clear(&thread->reply);
    }
    reply_finish(&thread->reply);
    thread->reply = outer;
    for (size_t i = p->count; i < p->total; i++)
        loop_queue(&thread->loop, p->ready[i]);
    for (size_t i = 0; i < p->total; i++)
        if (i != p->at)
            p->ready[i]->flags &= ~(uint32_t)CONNECTION_IS_SERVED;
    p->total = p->count = p->at + 1;
}

void server_batch(struct loop *loop, struct connection **ready, size_t count) {
    struct server_thread *thread = thread_of_loop(loop);
    struct batch_progress progress, *outer = thread->batch;
    if (!thread->is_busy)
        server_thread_begin_pass(thread);
    thread->batch = &progress;
    for (size_t i = 0; i < count;) {
        size_t first = i, scratch_used = 0;
        thread->request_count = 0;
        thread->arguments.count = 0;
        for (; i < count && scratch_used + RECEIVE_BYTES <= SCRATCH_BYTES &&
               thread->request_count < REQUESTS_PER_PART;
             i++) {
            struct session *session = session_of(ready[i]);
            take_in(thread, session, thread->scratch + scratch_used);
            session->end_request = thread->request_count;
            if (session->received == thread->scratch + scratch_used)
                scratch_used += session->received_size;
        }
        if (!thread->is_busy)
            server_thread_check_memory(thread, (int64_t)scratch_used);
        progress = (struct batch_progress){
            .ready = ready + first, .count = i - first, .total = count - first};
        run_and_send(thread, &progress);
        if (progress.total < count - first)
            break; /* the rest was let go */
    }
    thread->batch = outer;
}
