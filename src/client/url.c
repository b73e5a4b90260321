/* SPDX-License-Identifier: BSD-3-Clause */
/* URLs of servers. Every part is a range of the text until it is copied. */
#include "valkey/url.h"

#include "client/connection.h"

#include <string.h>

enum { PORT_DEFAULT = 6379, PORT_MAX = 65535, DATABASE_MAX = 1 << 24, TEXT_MAX = 1 << 20 };

struct part {
    const char *at, *end;
};

static const char NO_MEMORY[] = "Out of memory";

static struct part until(struct part *rest, const char *stops) {
    struct part first = *rest;
    while (rest->at < rest->end && strchr(stops, *rest->at) == NULL)
        rest->at++;
    first.end = rest->at;
    return first;
}

static int digit_of(char byte) {
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    char lower = (char)(byte | ' ');
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* A copy of the part with %XX replaced. NULL: *error is set. */
static char *decode(struct part part, const char **error) {
    char *copy = vk_malloc((size_t)(part.end - part.at) + 1), *to = copy;
    if (copy == NULL) {
        *error = NO_MEMORY;
        return NULL;
    }
    for (const char *at = part.at; at < part.end; at++) {
        *to = *at;
        if (*at == '%') {
            int high = part.end - at > 2 ? digit_of(at[1]) : -1;
            int low = high < 0 ? -1 : digit_of(at[2]);
            if (low < 0 || high + low == 0) {
                vk_free(copy);
                *error = "Bad percent encoding in URL";
                return NULL;
            }
            *to = (char)(high * 16 + low);
            at += 2;
        }
        to++;
    }
    *to = '\0';
    return copy;
}

/* Decimal digits and nothing else; below 0: it is none, or above `most`. */
static int number_of(struct part part, int most) {
    int value = 0;
    if (part.at == part.end)
        return -1;
    for (; part.at < part.end; part.at++) {
        if (*part.at < '0' || *part.at > '9')
            return -1;
        value = value * 10 + (*part.at - '0');
        if (value > most)
            return -1;
    }
    return value;
}

static const char *last_at_sign(struct part part) {
    for (const char *at = part.end; at > part.at; at--)
        if (at[-1] == '@')
            return at - 1;
    return NULL;
}

/* [user][:password]@ at the beginning of *rest. */
static bool take_login(valkeyUrl *url, struct part *rest, struct part authority,
                       const char **error) {
    const char *sign = last_at_sign(authority);
    if (sign == NULL)
        return true;
    struct part login = {rest->at, sign}, user = until(&login, ":");
    rest->at = sign + 1;
    if (user.at < user.end && (url->username = decode(user, error)) == NULL)
        return false;
    if (login.at == login.end)
        return true;
    login.at++;
    return (url->password = decode(login, error)) != NULL;
}

/* host[:port] or [v6][:port]. False: *error is set. */
static bool read_server(struct part part, char **out_host, int *out_port, const char **error) {
    struct part host;
    if (part.at < part.end && *part.at == '[') {
        part.at++;
        host = until(&part, "]");
        if (part.at == part.end) {
            *error = "Bad address in URL";
            return false;
        }
        part.at++;
    } else {
        host = until(&part, ":");
    }
    *out_port = PORT_DEFAULT;
    if (part.at < part.end) {
        bool has_colon = *part.at++ == ':';
        *out_port = has_colon ? number_of(part, PORT_MAX) : -1;
    }
    if (host.at == host.end || *out_port < 1) {
        *error = "Bad address in URL";
        return false;
    }
    *out_host = decode(host, error);
    return *out_host != NULL;
}

/* All servers, separated by commas. */
static bool take_servers(valkeyUrl *url, struct part servers, const char **error) {
    /* A port adds at most six bytes to what is there; hosts only shrink. */
    size_t count = 1, used = 0, room;
    for (const char *at = servers.at; at < servers.end; at++)
        count += *at == ',';
    room = (size_t)(servers.end - servers.at) + count * 8;
    url->nodes = vk_malloc(room);
    if (url->nodes == NULL) {
        *error = NO_MEMORY;
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        struct part server = until(&servers, ",");
        char *host = NULL;
        int port;
        servers.at += servers.at < servers.end;
        if (!read_server(server, &host, &port, error))
            return false;
        used += (size_t)snprintf(url->nodes + used, room - used, "%s%s:%d", i > 0 ? "," : "", host,
                                 port);
        if (i == 0) {
            url->host = host;
            url->port = port;
        } else {
            vk_free(host);
        }
    }
    return true;
}

static bool take_database(valkeyUrl *url, struct part number, const char **error) {
    int database = number_of(number, DATABASE_MAX);
    if (database < 0)
        *error = "Bad database in URL";
    else
        url->database = database;
    return database >= 0;
}

static bool read_unix(valkeyUrl *url, struct part rest, const char **error) {
    struct part all = rest, path;
    url->type = VALKEY_CONN_UNIX;
    if (rest.at < rest.end && *rest.at != '/' && !take_login(url, &rest, until(&all, "/"), error))
        return false;
    path = until(&rest, "?");
    if (path.at == path.end || *path.at != '/') {
        *error = "Bad path in URL";
        return false;
    }
    if ((url->host = decode(path, error)) == NULL)
        return false;
    if (rest.at == rest.end)
        return true;
    if (rest.end - rest.at < 4 || memcmp(rest.at, "?db=", 4) != 0) {
        *error = "Unknown parameter in URL";
        return false;
    }
    rest.at += 4;
    return take_database(url, rest, error);
}

static bool read_tcp(valkeyUrl *url, struct part rest, const char **error) {
    struct part authority = until(&rest, "/?#");
    url->type = VALKEY_CONN_TCP;
    if (!take_login(url, &authority, authority, error) || !take_servers(url, authority, error))
        return false;
    if (rest.at == rest.end)
        return true;
    if (*rest.at != '/') {
        *error = "Unknown parameter in URL";
        return false;
    }
    rest.at++;
    return rest.at == rest.end || take_database(url, rest, error);
}

/* The part behind the scheme. NULL: *error is set. */
static const char *skip_scheme(valkeyUrl *url, const char *text, const char **error) {
    static const struct {
        const char *name;
        bool wants_tls, is_unix;
    } SCHEMES[] = {{"redis://", false, false},
                   {"valkey://", false, false},
                   {"rediss://", true, false},
                   {"valkeys://", true, false},
                   {"unix://", false, true}};
    for (size_t i = 0; i < sizeof SCHEMES / sizeof *SCHEMES; i++) {
        size_t size = strlen(SCHEMES[i].name);
        if (strncmp(text, SCHEMES[i].name, size) != 0)
            continue;
        url->wants_tls = SCHEMES[i].wants_tls;
        url->type = SCHEMES[i].is_unix ? VALKEY_CONN_UNIX : VALKEY_CONN_TCP;
        return text + size;
    }
    *error = "Unknown scheme in URL";
    return NULL;
}

valkeyUrl *valkeyUrlParse(const char *text, const char **error) {
    const char *unused;
    if (error == NULL)
        error = &unused;
    *error = "Unknown scheme in URL";
    size_t size = text == NULL ? 0 : strnlen(text, TEXT_MAX);
    if (size == 0 || size == TEXT_MAX)
        return NULL;
    valkeyUrl *url = vk_calloc(1, sizeof *url);
    if (url == NULL) {
        *error = NO_MEMORY;
        return NULL;
    }
    struct part rest = {skip_scheme(url, text, error), text + size};
    if (rest.at != NULL &&
        (url->type == VALKEY_CONN_UNIX ? read_unix(url, rest, error) : read_tcp(url, rest, error)))
        return url;
    valkeyUrlFree(url);
    return NULL;
}

void valkeyUrlFree(valkeyUrl *url) {
    if (url == NULL)
        return;
    vk_free(url->username);
    vk_free(url->password);
    vk_free(url->host);
    vk_free(url->nodes);
    vk_free(url);
}

/* A context in the state of that error; NULL without memory. */
static valkeyContext *failed_context(const char *error) {
    valkeyOptions options = {.type = VALKEY_CONN_TCP};
    struct connection *connection = connection_create(&options, sizeof(valkeyContext));
    if (connection == NULL)
        return NULL;
    valkeySetError(&connection->context, error == NO_MEMORY ? VALKEY_ERR_OOM : VALKEY_ERR_OTHER,
                   error);
    return &connection->context;
}

valkeyContext *valkeyConnectUrl(const char *text) {
    const char *error;
    valkeyUrl *url = valkeyUrlParse(text, &error);
    if (url == NULL)
        return failed_context(error);
    valkeyContext *c;
    if (url->wants_tls)
        c = failed_context("This URL asks for TLS");
    else if (url->type == VALKEY_CONN_UNIX)
        c = valkeyConnectUnix(url->host);
    else
        c = valkeyConnect(url->host, url->port);
    if (c != NULL && c->err == 0)
        (void)connection_log_in(c, url->username, url->password, url->database);
    valkeyUrlFree(url);
    return c;
}
