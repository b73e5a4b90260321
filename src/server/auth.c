/* SPDX-License-Identifier: BSD-3-Clause */
/* Digests of both passwords are compared, in constant time: neither content nor length of the right
 * one shows in the time that an answer takes. */
#include "server/auth.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

enum { DIGEST_BYTES = 32 };

static bool digest(struct slice text, uint8_t out[DIGEST_BYTES]) {
    unsigned size = 0;
    return EVP_Digest(text.data, text.size, out, &size, EVP_sha256(), NULL) == 1 &&
           size == DIGEST_BYTES;
}

/* Whether there is no password, or this is it. */
static bool is_password(struct server *server, struct slice password) {
    uint8_t right[DIGEST_BYTES], given[DIGEST_BYTES];
    bool is_open, is_digested;
    server_config_lock(server);
    is_open = server->config.requirepass.size == 0;
    is_digested = digest(option_text_slice(&server->config.requirepass), right);
    server_config_unlock(server);
    is_digested = digest(password, given) && is_digested;
    bool is_equal = is_digested && CRYPTO_memcmp(right, given, DIGEST_BYTES) == 0;
    OPENSSL_cleanse(right, sizeof(right));
    return is_open || is_equal;
}

bool auth_try(struct session *session, struct slice user, struct slice password) {
    bool is_right = is_password(session->server, password);
    if (!slice_equal(user, SLICE_LITERAL("default")) || !is_right)
        return false;
    session->flags |= SESSION_AUTHENTICATED;
    return true;
}
