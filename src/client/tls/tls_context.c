/* SPDX-License-Identifier: BSD-3-Clause */
/* What connections over TLS have in common: authorities, certificate, key. */
#include "client/tls/tls_internal.h"

static SSL_CTX *fail(valkeyTLSContextError *out, valkeyTLSContextError error) {
    *out = error;
    return NULL;
}

const char *valkeyTLSContextGetError(valkeyTLSContextError error) {
    switch (error) {
    case VALKEY_TLS_CTX_NONE: return "No Error";
    case VALKEY_TLS_CTX_CREATE_FAILED: return "Failed to create OpenSSL SSL_CTX";
    case VALKEY_TLS_CTX_CERT_KEY_REQUIRED:
        return "Client cert and key must both be specified or skipped";
    case VALKEY_TLS_CTX_CA_CERT_LOAD_FAILED: return "Failed to load CA Certificate or CA Path";
    case VALKEY_TLS_CTX_CLIENT_CERT_LOAD_FAILED: return "Failed to load client certificate";
    case VALKEY_TLS_CTX_CLIENT_DEFAULT_CERT_FAILED:
        return "Failed to set client default certificate directory";
    case VALKEY_TLS_CTX_PRIVATE_KEY_LOAD_FAILED: return "Failed to load private key";
    case VALKEY_TLS_CTX_OS_CERTSTORE_OPEN_FAILED: return "Failed to open system certificate store";
    case VALKEY_TLS_CTX_OS_CERT_ADD_FAILED:
        return "Failed to add CA certificates obtained from system to the SSL context";
    default: return "Unknown error code";
    }
}

int valkeyInitOpenSSL(void) {
    return VALKEY_OK;
}

static int verify_mode(int mode) {
    static const int MAP[][2] = {
        {VALKEY_TLS_VERIFY_PEER, SSL_VERIFY_PEER},
        {VALKEY_TLS_VERIFY_FAIL_IF_NO_PEER_CERT, SSL_VERIFY_FAIL_IF_NO_PEER_CERT},
        {VALKEY_TLS_VERIFY_CLIENT_ONCE, SSL_VERIFY_CLIENT_ONCE},
        {VALKEY_TLS_VERIFY_POST_HANDSHAKE, SSL_VERIFY_POST_HANDSHAKE},
    };
    int result = SSL_VERIFY_NONE;
    for (size_t i = 0; i < sizeof MAP / sizeof *MAP; i++)
        if (mode & MAP[i][0])
            result |= MAP[i][1];
    return result;
}

/* Load what the options name. */
static valkeyTLSContextError load(SSL_CTX *ssl, const valkeyTLSOptions *options) {
    if (options->cacert_filename != NULL || options->capath != NULL) {
        if (SSL_CTX_load_verify_locations(ssl, options->cacert_filename, options->capath) != 1)
            return VALKEY_TLS_CTX_CA_CERT_LOAD_FAILED;
    } else if (SSL_CTX_set_default_verify_paths(ssl) != 1) {
        return VALKEY_TLS_CTX_CLIENT_DEFAULT_CERT_FAILED;
    }
    if (options->cert_filename == NULL)
        return VALKEY_TLS_CTX_NONE;
    if (SSL_CTX_use_certificate_chain_file(ssl, options->cert_filename) != 1)
        return VALKEY_TLS_CTX_CLIENT_CERT_LOAD_FAILED;
    if (SSL_CTX_use_PrivateKey_file(ssl, options->private_key_filename, SSL_FILETYPE_PEM) != 1)
        return VALKEY_TLS_CTX_PRIVATE_KEY_LOAD_FAILED;
    return VALKEY_TLS_CTX_NONE;
}

static SSL_CTX *create_ssl(const valkeyTLSOptions *options, valkeyTLSContextError *error) {
    if ((options->cert_filename == NULL) != (options->private_key_filename == NULL))
        return fail(error, VALKEY_TLS_CTX_CERT_KEY_REQUIRED);
    SSL_CTX *ssl = SSL_CTX_new(TLS_client_method());
    if (ssl == NULL || SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) != 1) {
        SSL_CTX_free(ssl);
        return fail(error, VALKEY_TLS_CTX_CREATE_FAILED);
    }
    SSL_CTX_set_verify(ssl, verify_mode(options->verify_mode), NULL);
    *error = load(ssl, options);
    if (*error == VALKEY_TLS_CTX_NONE)
        return ssl;
    SSL_CTX_free(ssl);
    return NULL;
}

valkeyTLSContext *valkeyCreateTLSContextWithOptions(valkeyTLSOptions *options,
                                                    valkeyTLSContextError *error) {
    valkeyTLSContextError unused;
    if (error == NULL)
        error = &unused;
    *error = VALKEY_TLS_CTX_CREATE_FAILED;
    valkeyTLSContext *context = vk_calloc(1, sizeof *context);
    if (context == NULL)
        return NULL;
    if (options->server_name != NULL)
        context->server_name = vk_strdup(options->server_name);
    if (options->server_name == NULL || context->server_name != NULL)
        context->ssl = create_ssl(options, error);
    ERR_clear_error();
    if (context->ssl != NULL)
        return context;
    valkeyFreeTLSContext(context);
    return NULL;
}

valkeyTLSContext *valkeyCreateTLSContext(const char *cacert_filename, const char *capath,
                                         const char *cert_filename,
                                         const char *private_key_filename, const char *server_name,
                                         valkeyTLSContextError *error) {
    valkeyTLSOptions options = {.cacert_filename = cacert_filename,
                                .capath = capath,
                                .cert_filename = cert_filename,
                                .private_key_filename = private_key_filename,
                                .server_name = server_name,
                                .verify_mode = VALKEY_TLS_VERIFY_PEER};
    return valkeyCreateTLSContextWithOptions(&options, error);
}

void valkeyFreeTLSContext(valkeyTLSContext *context) {
    if (context == NULL)
        return;
    SSL_CTX_free(context->ssl);
    vk_free(context->server_name);
    vk_free(context);
}
