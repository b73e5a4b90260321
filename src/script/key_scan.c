/* SPDX-License-Identifier: BSD-3-Clause */
/* Three passes over the tokens: the first collects locals that are set to an element of KEYS or to
 * redis.call, the second counts how often these names are bound, the third looks at every use of
 * `redis`, of those names, and of KEYS. Anything it does not understand makes the answer no: the
 * script is then run in the way that suits all. The order of values matters only where something
 * may be bound again, so a name that is bound twice anywhere is not taken for a key. */
#include "script/key_scan.h"

#include "base/command_keys.h"
#include "command_table.h"
#include "script/lexer.h"

enum { ALIASES_MAX = 32, STEPS_PER_BYTE = 64, STEPS_LEAST = 4096 };

enum alias_kind { ALIAS_KEY, ALIAS_CALL };

struct alias {
    struct slice name;
    enum alias_kind kind;
    unsigned bindings;
};

struct scan {
    struct lexer lexer;
    struct token token, previous; /* the one being looked at, the one before it */
    struct alias aliases[ALIASES_MAX];
    size_t alias_count;
    size_t *steps; /* left, shared by copies: bounds the work that a text can ask for */
    bool is_unsure;
};

static void advance(struct scan *s) {
    s->previous = s->token;
    if (*s->steps == 0) {
        s->is_unsure = true;
        s->token = (struct token){TOKEN_END, s->token.text};
        return;
    }
    (*s->steps)--;
    s->token = lexer_next(&s->lexer);
    if (s->token.type == TOKEN_BROKEN) {
        s->is_unsure = true;
        s->token.type = TOKEN_END;
    }
}

static bool accept(struct scan *s, const char *text) {
    if (!token_is(s->token, text))
        return false;
    advance(s);
    return true;
}

static bool is_name(struct token token) {
    static const char *const KEYWORDS[] = {
        "and", "break",    "do",     "else", "elseif", "end",   "false",
        "for", "function", "if",     "in",   "local",  "nil",   "not",
        "or",  "repeat",   "return", "then", "true",   "until", "while"};
    if (token.type != TOKEN_NAME)
        return false;
    for (size_t i = 0; i < sizeof(KEYWORDS) / sizeof(*KEYWORDS); i++)
        if (token_is(token, KEYWORDS[i]))
            return false;
    return true;
}

static struct alias *find_alias(struct scan *s, struct token token) {
    for (size_t i = 0; i < s->alias_count && token.type == TOKEN_NAME; i++)
        if (slice_equal(s->aliases[i].name, token.text))
            return &s->aliases[i];
    return NULL;
}

static bool is_alias(struct scan *s, struct token token, enum alias_kind kind) {
    const struct alias *alias = find_alias(s, token);
    return alias != NULL && alias->kind == kind && alias->bindings == 1;
}

static void add_alias(struct scan *s, struct slice name, enum alias_kind kind) {
    struct token token = {TOKEN_NAME, name};
    const struct alias *known = find_alias(s, token);
    if (known != NULL || s->alias_count == ALIASES_MAX) {
        s->is_unsure |= known != NULL && known->kind != kind;
        return;
    }
    s->aliases[s->alias_count++] = (struct alias){.name = name, .kind = kind};
}

/* From an opening bracket to behind the one that closes it. */
static void pass_brackets(struct scan *s) {
    size_t depth = 0;
    do {
        if (token_is(s->token, "(") || token_is(s->token, "[") || token_is(s->token, "{"))
            depth++;
        else if (token_is(s->token, ")") || token_is(s->token, "]") || token_is(s->token, "}"))
            depth--;
        advance(s);
    } while (depth > 0 && s->token.type != TOKEN_END);
}

/* Whether an expression ends before this token. */
static bool ends_expression(struct token token) {
    if (token.type == TOKEN_END || token_is(token, ",") || token_is(token, ")") ||
        token_is(token, ";") || token_is(token, "}") || token_is(token, "]"))
        return true;
    return token.type == TOKEN_NAME && !token_is(token, "and") && !token_is(token, "or");
}

/* Pass "KEYS[...]" if that is all there is of the expression. */
static bool pass_key_element(struct scan *s) {
    struct scan ahead = *s;
    if (!accept(&ahead, "KEYS") || !token_is(ahead.token, "["))
        return false;
    pass_brackets(&ahead);
    if (!ends_expression(ahead.token))
        return false;
    *s = ahead;
    return true;
}

/* Pass "redis.call", "redis.pcall" or the same of `server`. */
static bool pass_call_function(struct scan *s) {
    struct scan ahead = *s;
    if ((!accept(&ahead, "redis") && !accept(&ahead, "server")) || !accept(&ahead, ".") ||
        (!accept(&ahead, "call") && !accept(&ahead, "pcall")))
        return false;
    *s = ahead;
    return true;
}

/* ---- names ---- */

enum pass { PASS_COLLECT, PASS_COUNT, PASS_CHECK };

/* A name is bound: by local, as a parameter, in a loop. What the second pass relies on may not be.
 */
static void bind(struct scan *s, enum pass pass) {
    static const char *const BUILT_IN[] = {"KEYS",   "redis", "server", "unpack",
                                           "ipairs", "pairs", "table"};
    for (size_t i = 0; i < sizeof(BUILT_IN) / sizeof(*BUILT_IN); i++)
        s->is_unsure |= token_is(s->token, BUILT_IN[i]);
    struct alias *alias = find_alias(s, s->token);
    if (pass == PASS_COUNT && alias != NULL)
        alias->bindings++;
}

/* "local a, b = KEYS[1], KEYS[2]" or "local call = redis.call", from behind `local`. Collecting
 * makes aliases of the names; checking passes only what would look like a misuse of redis.call. */
static void read_local(struct scan *s, enum pass pass) {
    struct slice names[8];
    size_t count = 0, i = 0;
    if (token_is(s->token, "function"))
        return;
    do {
        if (!is_name(s->token))
            return;
        bind(s, pass);
        if (count < sizeof(names) / sizeof(*names))
            names[count++] = s->token.text;
        advance(s);
    } while (accept(s, ","));
    if (!accept(s, "="))
        return;
    do {
        struct scan ahead = *s;
        if (pass_call_function(&ahead) && ends_expression(ahead.token)) {
            *s = ahead;
            if (pass == PASS_COLLECT && i < count)
                add_alias(s, names[i], ALIAS_CALL);
            s->is_unsure |= i >= count;
        } else if (pass == PASS_COLLECT && pass_key_element(s)) {
            if (i < count)
                add_alias(s, names[i], ALIAS_KEY);
        } else {
            return;
        }
        i++;
    } while (accept(s, ","));
}

/* "for i, key in ipairs(KEYS) do", from behind `for`. */
static void read_for(struct scan *s, enum pass pass) {
    struct slice second = slice_of("", 0);
    for (size_t i = 0; is_name(s->token); i++) {
        bind(s, pass);
        if (i == 1)
            second = s->token.text;
        advance(s);
        if (!accept(s, ","))
            break;
    }
    struct scan ahead = *s;
    if (!accept(&ahead, "in") || (!accept(&ahead, "ipairs") && !accept(&ahead, "pairs")) ||
        !accept(&ahead, "(") || !accept(&ahead, "KEYS") || !accept(&ahead, ")") ||
        !token_is(ahead.token, "do"))
        return;
    *s = ahead;
    if (second.size > 0 && pass == PASS_COLLECT)
        add_alias(s, second, ALIAS_KEY);
}

/* The name of a function and its parameters, from behind `function`. */
static void read_function(struct scan *s, enum pass pass) {
    while (s->token.type != TOKEN_END && !token_is(s->token, ")")) {
        if (is_name(s->token))
            bind(s, pass);
        advance(s);
    }
}

/* Whether what ends before the current token is assigned to: '=' follows, or further targets and
 * then '='. */
static bool is_target(struct scan *s) {
    struct scan ahead = *s;
    while (accept(&ahead, ",")) {
        if (!is_name(ahead.token))
            return false;
        advance(&ahead);
        while (token_is(ahead.token, "[") || token_is(ahead.token, ".")) {
            if (token_is(ahead.token, "[")) {
                pass_brackets(&ahead);
                continue;
            }
            advance(&ahead);
            advance(&ahead);
        }
    }
    return token_is(ahead.token, "=");
}

/* Pass a construct that binds names. */
static bool pass_binding(struct scan *s, enum pass pass) {
    if (accept(s, "local"))
        read_local(s, pass);
    else if (accept(s, "for"))
        read_for(s, pass);
    else if (accept(s, "function"))
        read_function(s, pass);
    else
        return false;
    return true;
}

/* Find what the names stand for, then how often each is bound. */
static void go_through(struct scan *s, enum pass pass) {
    advance(s);
    while (s->token.type != TOKEN_END) {
        if (pass_binding(s, pass))
            continue;
        struct alias *alias = find_alias(s, s->token);
        advance(s);
        if (pass == PASS_COUNT && alias != NULL && is_target(s))
            alias->bindings++;
    }
}

/* ---- second pass: uses ---- */

/* One argument of a call; behind it stands ',' or ')'. */
enum argument_kind { ARGUMENT_OTHER, ARGUMENT_KEY, ARGUMENT_ALL_KEYS, ARGUMENT_MANY };

static enum argument_kind pass_argument(struct scan *s) {
    struct scan ahead = *s;
    if (pass_key_element(s) && (token_is(s->token, ",") || token_is(s->token, ")")))
        return ARGUMENT_KEY;
    *s = ahead;
    if (is_alias(s, s->token, ALIAS_KEY)) {
        advance(s);
        if (token_is(s->token, ",") || token_is(s->token, ")"))
            return ARGUMENT_KEY;
        *s = ahead;
    }
    if (accept(s, "unpack") && accept(s, "(") && accept(s, "KEYS") && accept(s, ")") &&
        token_is(s->token, ")"))
        return ARGUMENT_ALL_KEYS;
    *s = ahead;
    bool may_be_many = false; /* a call or "..." may give any number of values, if it is last */
    while (s->token.type != TOKEN_END && !token_is(s->token, ",") && !token_is(s->token, ")")) {
        if (token_is(s->token, "(") || token_is(s->token, "[") || token_is(s->token, "{")) {
            may_be_many |= token_is(s->token, "(");
            pass_brackets(s);
        } else {
            may_be_many |= token_is(s->token, "...") || token_is(s->token, "function") ||
                           s->token.type == TOKEN_STRING || s->token.type == TOKEN_OTHER_STRING;
            advance(s);
        }
    }
    return may_be_many && token_is(s->token, ")") ? ARGUMENT_MANY : ARGUMENT_OTHER;
}

/* Whether the keys of the command are where they can be seen. */
static bool has_plain_keys(const struct command_spec *spec) {
    bool is_simple = spec->key_method == COMMAND_KEY_METHOD_SPECS ||
                     spec->key_method == COMMAND_KEY_METHOD_SET ||
                     spec->key_method == COMMAND_KEY_METHOD_BITFIELD;
    return is_simple && (spec->flags & COMMAND_FLAG_MOVABLEKEYS) == 0 && spec->first_key > 0 &&
           spec->last_key >= -1 && spec->key_step > 0;
}

/* A command without keys that has to do with keys nonetheless: SCAN, FLUSHALL ... */
static bool is_about_keyspace(const struct command_spec *spec) {
    static const char *const HARMLESS[] = {"connection", "pubsub", "scripting"};
    for (size_t i = 0; i < sizeof(HARMLESS) / sizeof(*HARMLESS); i++)
        if (strcmp(spec->group, HARMLESS[i]) == 0)
            return false;
    return spec->id != COMMAND_TIME;
}

static bool is_key_position(const struct command_spec *spec, size_t position) {
    size_t first = (size_t)spec->first_key;
    if (position < first || (spec->last_key >= 0 && position > (size_t)spec->last_key))
        return false;
    return (position - first) % (size_t)spec->key_step == 0;
}

/* Whether it is a command whose spec the literal word (or words) tells. */
static bool read_command(struct scan *s, const struct command_spec **out, size_t *words) {
    if (s->token.type != TOKEN_STRING)
        return false;
    *out = command_find((const char *)s->token.text.data, s->token.text.size);
    *words = 1;
    advance(s);
    if (*out == NULL || (*out)->subcommand_count == 0)
        return token_is(s->token, ",") || token_is(s->token, ")");
    if (!accept(s, ",") || s->token.type != TOKEN_STRING)
        return false;
    *out = command_find_subcommand(*out, (const char *)s->token.text.data, s->token.text.size);
    *words = 2;
    advance(s);
    return token_is(s->token, ",") || token_is(s->token, ")");
}

/* A call from behind its '('. */
static bool is_declared_call(struct scan *s) {
    const struct command_spec *spec;
    size_t position;
    if (!read_command(s, &spec, &position))
        return false;
    if (spec == NULL)
        return true; /* there is no such command */
    if (!command_has_keys(spec))
        return !is_about_keyspace(spec);
    if (!has_plain_keys(spec))
        return false;
    for (; accept(s, ","); position++) {
        enum argument_kind kind = pass_argument(s);
        bool is_last = token_is(s->token, ")");
        if (s->token.type == TOKEN_END)
            return false;
        if (kind == ARGUMENT_MANY && (spec->last_key < 0 || position <= (size_t)spec->last_key))
            return false;
        if (kind == ARGUMENT_ALL_KEYS && is_last)
            return spec->key_step == 1 || spec->last_key >= 0;
        if (is_key_position(spec, position) && kind != ARGUMENT_KEY)
            return false;
    }
    return token_is(s->token, ")");
}

/* A use of KEYS that neither changes nor hands it on, from its first token. */
static bool pass_keys(struct scan *s) {
    struct scan ahead = *s;
    if (accept(&ahead, "#") && accept(&ahead, "KEYS")) {
        if (token_is(ahead.token, "["))
            advance(s); /* the length of an element */
        else
            *s = ahead;
        return true;
    }
    ahead = *s;
    if (accept(&ahead, "unpack") && accept(&ahead, "(") && accept(&ahead, "KEYS") &&
        accept(&ahead, ")")) {
        *s = ahead;
        return true;
    }
    ahead = *s;
    if (accept(&ahead, "table") && accept(&ahead, ".") &&
        (accept(&ahead, "getn") || accept(&ahead, "concat")) && accept(&ahead, "(") &&
        accept(&ahead, "KEYS")) {
        *s = ahead;
        return true;
    }
    ahead = *s;
    if (!accept(&ahead, "KEYS") || !token_is(ahead.token, "["))
        return false;
    struct scan behind = ahead;
    pass_brackets(&behind);
    if (is_target(&behind))
        return false;
    *s = ahead; /* what stands in the brackets is looked at too */
    return true;
}

/* A use of `redis` from its first token. */
static bool pass_redis(struct scan *s) {
    struct scan ahead = *s;
    if (pass_call_function(&ahead)) {
        if (!accept(&ahead, "("))
            return false;
        *s = ahead;
        return is_declared_call(&ahead);
    }
    advance(s);
    return accept(s, ".") && s->token.type == TOKEN_NAME;
}

/* What makes names mean something else. */
static bool is_forbidden(struct token token) {
    static const char *const WORDS[] = {"_G", "load", "loadstring", "getfenv", "setfenv"};
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(*WORDS); i++)
        if (token_is(token, WORDS[i]))
            return true;
    return false;
}

static bool is_use_fine(struct scan *s) {
    if (token_is(s->previous, ".") || token_is(s->previous, ":")) {
        advance(s); /* a field */
        return true;
    }
    if (token_is(s->token, "redis") || token_is(s->token, "server"))
        return pass_redis(s);
    const struct alias *alias = find_alias(s, s->token);
    if (alias != NULL && alias->kind == ALIAS_CALL) {
        bool is_called_once_bound = alias->bindings == 1;
        advance(s);
        struct scan ahead = *s;
        return is_called_once_bound && accept(&ahead, "(") && is_declared_call(&ahead);
    }
    if (pass_keys(s))
        return true;
    bool is_fine = !token_is(s->token, "KEYS") && !is_forbidden(s->token);
    advance(s);
    return is_fine;
}

static void begin(struct scan *s, struct slice code) {
    s->lexer = (struct lexer){code.data, code.data + code.size};
    s->token = (struct token){TOKEN_SYMBOL, slice_of("", 0)};
}

bool key_scan_is_declared(struct slice code) {
    size_t steps = STEPS_PER_BYTE * code.size + STEPS_LEAST;
    struct scan scan = {.steps = &steps};
    begin(&scan, code);
    go_through(&scan, PASS_COLLECT);
    begin(&scan, code);
    go_through(&scan, PASS_COUNT);
    begin(&scan, code);
    advance(&scan);
    bool is_fine = true;
    while (is_fine && scan.token.type != TOKEN_END)
        is_fine = pass_binding(&scan, PASS_CHECK) || is_use_fine(&scan);
    return is_fine && !scan.is_unsure;
}
