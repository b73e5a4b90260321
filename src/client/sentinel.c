/* SPDX-License-Identifier: BSD-3-Clause */
/* Looking a service up at its sentinels, as their documentation for clients asks: ask one after the
 * other, connect, and have the server confirm its role, for a sentinel may be behind. Answers are
 * checked, never trusted. */
#include "valkey/sentinel.h"

#include "client/connection.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HOST_MAX = 256, PORT_MAX = 65535 };

struct endpoint {
    char host[HOST_MAX];
    int port;
};

struct lookup {
    const valkeySentinelOptions *options;
    int err; /* of the last try */
    char errstr[128];
};

static void fail(struct lookup *lookup, int err, const char *text) {
    lookup->err = err;
    (void)snprintf(lookup->errstr, sizeof lookup->errstr, "%s", text);
}

/* A number from 1 to PORT_MAX with nothing behind it; 0: it is none. */
static int read_port(const char *text, size_t size) {
    int port = 0;
    for (size_t i = 0; i < size && port <= PORT_MAX; i++) {
        if (text[i] < '0' || text[i] > '9')
            return 0;
        port = port * 10 + (text[i] - '0');
    }
    return port <= PORT_MAX ? port : 0;
}

static bool set_endpoint(struct endpoint *out, const char *host, size_t host_size, const char *port,
                         size_t port_size) {
    out->port = read_port(port, port_size);
    if (out->port == 0 || host_size == 0 || host_size >= sizeof out->host)
        return false;
    memcpy(out->host, host, host_size);
    out->host[host_size] = '\0';
    return true;
}

/* The next of "host:port,host:port"; the last colon is the port's. */
static bool next_sentinel(const char **at, struct endpoint *out) {
    size_t size = strcspn(*at, ","), colon = size;
    const char *text = *at;
    *at += size + (text[size] == ',');
    while (colon > 0 && text[colon - 1] != ':')
        colon--;
    return colon > 0 && set_endpoint(out, text, colon - 1, text + colon, size - colon);
}

/* A connection, logged in. NULL: *lookup says why. */
static valkeyContext *open_connection(struct lookup *lookup, const struct endpoint *endpoint,
                                      bool is_sentinel) {
    const valkeySentinelOptions *own = lookup->options;
    valkeyOptions options = {.connect_timeout = own->connect_timeout,
                             .command_timeout = own->command_timeout};
    VALKEY_OPTIONS_SET_TCP(&options, endpoint->host, endpoint->port);
    valkeyContext *c = valkeyConnectWithOptions(&options);
    if (c == NULL) {
        fail(lookup, VALKEY_ERR_OOM, "Out of memory");
        return NULL;
    }
    if (c->err == 0 && own->tls_init_fn != NULL && own->tls_init_fn(c, own->tls) != VALKEY_OK &&
        c->err == 0)
        valkeySetError(c, VALKEY_ERR_OTHER, "TLS failed");
    if (c->err == 0 && is_sentinel)
        (void)connection_log_in(c, own->sentinel_username, own->sentinel_password, 0);
    else if (c->err == 0)
        (void)connection_log_in(c, own->username, own->password, own->select_db);
    if (c->err == 0)
        return c;
    fail(lookup, c->err, c->errstr);
    valkeyFree(c);
    return NULL;
}

static valkeyReply *ask(struct lookup *lookup, valkeyContext *sentinel, const char *question) {
    valkeyReply *reply =
        valkeyCommand(sentinel, "SENTINEL %s %s", question, lookup->options->service);
    if (reply == NULL)
        fail(lookup, sentinel->err, sentinel->errstr);
    else if (reply->type == VALKEY_REPLY_ERROR)
        fail(lookup, VALKEY_ERR_OTHER, reply->str);
    else
        return reply;
    freeReplyObject(reply);
    return NULL;
}

static bool find_primary(struct lookup *lookup, valkeyContext *sentinel, struct endpoint *out) {
    valkeyReply *reply = ask(lookup, sentinel, "GET-MASTER-ADDR-BY-NAME");
    if (reply == NULL)
        return false;
    bool is_found = reply->type == VALKEY_REPLY_ARRAY && reply->elements == 2 &&
                    reply->element[0]->type == VALKEY_REPLY_STRING &&
                    reply->element[1]->type == VALKEY_REPLY_STRING &&
                    set_endpoint(out, reply->element[0]->str, reply->element[0]->len,
                                 reply->element[1]->str, reply->element[1]->len);
    freeReplyObject(reply);
    if (!is_found)
        fail(lookup, VALKEY_ERR_OTHER, "The sentinels don't know the service");
    return is_found;
}

/* The value of a field in [name, value, name, value ...]; NULL: it is not there. */
static const valkeyReply *field_of(const valkeyReply *fields, const char *name) {
    for (size_t i = 0; i + 1 < fields->elements; i += 2)
        if (fields->element[i]->type == VALKEY_REPLY_STRING &&
            fields->element[i + 1]->type == VALKEY_REPLY_STRING &&
            strcmp(fields->element[i]->str, name) == 0)
            return fields->element[i + 1];
    return NULL;
}

static bool read_replica(const valkeyReply *fields, struct endpoint *out) {
    if (fields->type != VALKEY_REPLY_ARRAY && fields->type != VALKEY_REPLY_MAP)
        return false;
    const valkeyReply *host = field_of(fields, "ip"), *port = field_of(fields, "port");
    const valkeyReply *flags = field_of(fields, "flags");
    if (host == NULL || port == NULL || flags == NULL || strstr(flags->str, "down") != NULL ||
        strstr(flags->str, "disconnected") != NULL)
        return false;
    return set_endpoint(out, host->str, host->len, port->str, port->len);
}

/* One that is well, from a random one on. */
static bool find_replica(struct lookup *lookup, valkeyContext *sentinel, struct endpoint *out) {
    valkeyReply *reply = ask(lookup, sentinel, "REPLICAS");
    if (reply == NULL)
        return false;
    bool is_found = false;
    size_t count = reply->type == VALKEY_REPLY_ARRAY ? reply->elements : 0;
    size_t first = count == 0 ? 0 : (size_t)random() % count;
    for (size_t i = 0; i < count && !is_found; i++)
        is_found = read_replica(reply->element[(first + i) % count], out);
    freeReplyObject(reply);
    if (!is_found)
        fail(lookup, VALKEY_ERR_OTHER, "The service has no replica");
    return is_found;
}

/* Whether the server says that it is what the sentinel takes it for. */
static bool has_role(struct lookup *lookup, valkeyContext *c, bool wants_replica) {
    valkeyReply *reply = valkeyCommand(c, "ROLE");
    const char *role = "";
    if (reply == NULL)
        fail(lookup, c->err, c->errstr);
    else if (reply->type == VALKEY_REPLY_ARRAY && reply->elements > 0 &&
             reply->element[0]->type == VALKEY_REPLY_STRING)
        role = reply->element[0]->str;
    bool is_right = wants_replica ? strcmp(role, "slave") == 0 || strcmp(role, "replica") == 0
                                  : strcmp(role, "master") == 0 || strcmp(role, "primary") == 0;
    if (reply != NULL && !is_right)
        fail(lookup, VALKEY_ERR_OTHER, "The server has another role than the sentinel says");
    freeReplyObject(reply);
    return is_right;
}

static valkeyContext *connect_by(struct lookup *lookup, const struct endpoint *sentinel) {
    bool wants_replica = lookup->options->wants_replica;
    valkeyContext *asked = open_connection(lookup, sentinel, true);
    if (asked == NULL)
        return NULL;
    struct endpoint server;
    bool is_found =
        wants_replica ? find_replica(lookup, asked, &server) : find_primary(lookup, asked, &server);
    valkeyFree(asked);
    valkeyContext *c = is_found ? open_connection(lookup, &server, false) : NULL;
    if (c == NULL || has_role(lookup, c, wants_replica))
        return c;
    valkeyFree(c);
    return NULL;
}

valkeyContext *valkeySentinelConnect(const valkeySentinelOptions *options) {
    struct lookup lookup = {.options = options};
    fail(&lookup, VALKEY_ERR_OTHER, "Invalid server address");
    const char *at = options->sentinels != NULL ? options->sentinels : "";
    while (*at != '\0' && options->service != NULL) {
        struct endpoint sentinel;
        valkeyContext *c = next_sentinel(&at, &sentinel) ? connect_by(&lookup, &sentinel) : NULL;
        if (c != NULL)
            return c;
    }
    valkeyOptions none = {0};
    struct connection *connection = connection_create(&none, sizeof(valkeyContext));
    if (connection == NULL)
        return NULL;
    valkeySetError(&connection->context, lookup.err, lookup.errstr);
    return &connection->context;
}
