/* SPDX-License-Identifier: BSD-3-Clause */
/* Options become an SSL_CTX step by step; the first step that fails writes the sentence. OpenSSL
 * would ask for a missing key password on the terminal: the callback here never does. */
#include "os/system_error.h"
#include "os/tls_internal.h"

#include "base/slice.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DEFAULT_CACHE_SIZE = 20480, DEFAULT_CACHE_TIMEOUT = 300, READ_BUFFER_BYTES = 16384 };

struct protocol {
    const char *name;
    int version;
    uint64_t off_option;
};

static const struct protocol PROTOCOLS[] = {
    {"TLSv1", TLS1_VERSION, SSL_OP_NO_TLSv1},
    {"TLSv1.1", TLS1_1_VERSION, SSL_OP_NO_TLSv1_1},
    {"TLSv1.2", TLS1_2_VERSION, SSL_OP_NO_TLSv1_2},
    {"TLSv1.3", TLS1_3_VERSION, SSL_OP_NO_TLSv1_3},
};
enum { PROTOCOL_COUNT = sizeof PROTOCOLS / sizeof PROTOCOLS[0] };

static bool is_set(const char *text) {
    return text != NULL && text[0] != '\0';
}

const char *tls_take_error_text(char *buffer, size_t size) {
    unsigned long code = ERR_get_error();
    ERR_clear_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
    if (code != 0 && ERR_SYSTEM_ERROR(code)) {
        reason = strerror_r(ERR_GET_REASON(code), buffer, size);
    }
    (void)snprintf(buffer, size, "%s", reason == NULL ? "unknown TLS error" : reason);
    return buffer;
}

static enum larder_status refuse(struct error_text *error, const char *what, const char *value) {
    char reason[128];
    (void)tls_take_error_text(reason, sizeof reason);
    error_text_format(error, "can't use %s '%s': %s", what, value, reason);
    return LARDER_INVALID;
}

static enum larder_status check_readable(struct error_text *error, const char *what,
                                         const char *path) {
    if (access(path, R_OK) == 0)
        return LARDER_OK;
    return system_error_report(error, errno, "can't read %s '%s'", what, path);
}

static int give_password(char *buffer, int size, int is_writing, void *context) {
    (void)is_writing;
    const char *password = context;
    size_t length = password == NULL ? 0 : strlen(password);
    if (length == 0 || length > (size_t)size)
        return -1;
    memcpy(buffer, password, length);
    return (int)length;
}

static enum larder_status load_key_pair(SSL_CTX *context, const struct tls_options *options,
                                        struct error_text *error) {
    if (!is_set(options->certificate_file) && !is_set(options->key_file)) {
        if (options->role == TLS_CLIENT)
            return LARDER_OK;
        error_text_format(error, "TLS needs a certificate file and a key file");
        return LARDER_INVALID;
    }
    if (!is_set(options->certificate_file) || !is_set(options->key_file)) {
        error_text_format(error, "a TLS certificate file and a key file need each other");
        return LARDER_INVALID;
    }
    enum larder_status status = check_readable(error, "certificate", options->certificate_file);
    if (status == LARDER_OK)
        status = check_readable(error, "private key", options->key_file);
    if (status != LARDER_OK)
        return status;
    if (SSL_CTX_use_certificate_chain_file(context, options->certificate_file) != 1)
        return refuse(error, "certificate", options->certificate_file);
    if (SSL_CTX_use_PrivateKey_file(context, options->key_file, SSL_FILETYPE_PEM) != 1)
        return refuse(error, "private key", options->key_file);
    if (SSL_CTX_check_private_key(context) != 1)
        return refuse(error, "private key", options->key_file);
    return LARDER_OK;
}

static enum larder_status load_authorities(SSL_CTX *context, const struct tls_options *options,
                                           struct error_text *error) {
    enum larder_status status = LARDER_OK;
    if (is_set(options->ca_file))
        status = check_readable(error, "CA certificate", options->ca_file);
    if (status == LARDER_OK && is_set(options->ca_directory))
        status = check_readable(error, "CA directory", options->ca_directory);
    if (status != LARDER_OK)
        return status;
    if (is_set(options->ca_file) && SSL_CTX_load_verify_file(context, options->ca_file) != 1)
        return refuse(error, "CA certificate", options->ca_file);
    if (is_set(options->ca_directory) &&
        SSL_CTX_load_verify_dir(context, options->ca_directory) != 1)
        return refuse(error, "CA directory", options->ca_directory);
    if (is_set(options->ca_file) && options->role == TLS_SERVER) {
        STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(options->ca_file);
        if (names == NULL)
            return refuse(error, "CA certificate", options->ca_file);
        SSL_CTX_set_client_CA_list(context, names);
    }
    return LARDER_OK;
}

static enum larder_status set_verification(SSL_CTX *context, const struct tls_options *options,
                                           struct error_text *error) {
    bool has_authority = is_set(options->ca_file) || is_set(options->ca_directory);
    if (options->role == TLS_CLIENT) {
        if (!has_authority && SSL_CTX_set_default_verify_paths(context) != 1)
            return refuse(error, "CA certificates of", "the system");
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
        return LARDER_OK;
    }
    if (options->client_auth == TLS_CLIENT_AUTH_NONE) {
        SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
        return LARDER_OK;
    }
    if (!has_authority) {
        error_text_format(error, "checking TLS client certificates needs a CA file or directory");
        return LARDER_INVALID;
    }
    int mode = SSL_VERIFY_PEER;
    if (options->client_auth == TLS_CLIENT_AUTH_REQUIRED)
        mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    SSL_CTX_set_verify(context, mode, NULL);
    return LARDER_OK;
}

/* Set bit i of *out_mask for each PROTOCOLS[i] that the list names. False on an unknown name. */
static bool parse_protocols(const char *list, unsigned *out_mask) {
    *out_mask = 0;
    while (*list != '\0') {
        size_t size = strcspn(list, " ,\t");
        struct slice name = slice_of(list, size);
        bool is_known = size == 0;
        for (unsigned i = 0; i < PROTOCOL_COUNT && !is_known; i++) {
            is_known = slice_equal_word(name, PROTOCOLS[i].name);
            if (is_known)
                *out_mask |= 1u << i;
        }
        if (!is_known)
            return false;
        list += size;
        list += strspn(list, " ,\t");
    }
    return *out_mask != 0;
}

static enum larder_status set_protocols(SSL_CTX *context, const char *list,
                                        struct error_text *error) {
    unsigned mask = 0;
    if (!parse_protocols(is_set(list) ? list : "TLSv1.2 TLSv1.3", &mask)) {
        error_text_format(error,
                          "can't use TLS protocols '%s': expected some of TLSv1, TLSv1.1, "
                          "TLSv1.2, TLSv1.3",
                          list);
        return LARDER_INVALID;
    }
    int lowest = 0, highest = 0;
    for (unsigned i = 0; i < PROTOCOL_COUNT; i++) {
        if ((mask & 1u << i) == 0) {
            SSL_CTX_set_options(context, PROTOCOLS[i].off_option);
            continue;
        }
        highest = PROTOCOLS[i].version;
        if (lowest == 0)
            lowest = highest;
    }
    if (SSL_CTX_set_min_proto_version(context, lowest) != 1 ||
        SSL_CTX_set_max_proto_version(context, highest) != 1)
        return refuse(error, "TLS protocols", is_set(list) ? list : "default");
    return LARDER_OK;
}

static enum larder_status set_ciphers(SSL_CTX *context, const struct tls_options *options,
                                      struct error_text *error) {
    if (is_set(options->ciphers) && SSL_CTX_set_cipher_list(context, options->ciphers) != 1)
        return refuse(error, "TLS ciphers", options->ciphers);
    if (is_set(options->ciphersuites) &&
        SSL_CTX_set_ciphersuites(context, options->ciphersuites) != 1)
        return refuse(error, "TLS ciphersuites", options->ciphersuites);
    if (options->prefer_server_ciphers)
        SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE);
    return LARDER_OK;
}

static enum larder_status set_dh_params(SSL_CTX *context, const char *path,
                                        struct error_text *error) {
    if (!is_set(path)) {
        (void)SSL_CTX_set_dh_auto(context, 1);
        return LARDER_OK;
    }
    enum larder_status status = check_readable(error, "DH parameters", path);
    if (status != LARDER_OK)
        return status;
    BIO *file = BIO_new_file(path, "r");
    EVP_PKEY *params = file == NULL ? NULL : PEM_read_bio_Parameters(file, NULL);
    BIO_free(file);
    if (params == NULL)
        return refuse(error, "DH parameters", path);
    if (SSL_CTX_set0_tmp_dh_pkey(context, params) != 1) {
        EVP_PKEY_free(params);
        return refuse(error, "DH parameters", path);
    }
    return LARDER_OK;
}

static void set_session_caching(SSL_CTX *context, const struct tls_options *options) {
    static const unsigned char ID[] = "larder";
    (void)SSL_CTX_set_session_id_context(context, ID, sizeof ID - 1);
    if (options->disable_session_caching || options->role == TLS_CLIENT) {
        (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
        if (options->disable_session_caching) {
            SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
            (void)SSL_CTX_set_num_tickets(context, 0);
        }
        return;
    }
    uint32_t size = options->session_cache_size;
    uint32_t timeout = options->session_cache_timeout;
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_SERVER);
    (void)SSL_CTX_sess_set_cache_size(context, size == 0 ? DEFAULT_CACHE_SIZE : (long)size);
    (void)SSL_CTX_set_timeout(context, timeout == 0 ? DEFAULT_CACHE_TIMEOUT : (long)timeout);
}

/* Idle sessions keep no record buffers; a record costs one system call, not one for its header and
 * one for its body (read-ahead). */
static void set_modes(SSL_CTX *context) {
    (void)SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                        SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, READ_BUFFER_BYTES);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
}

static enum larder_status configure(SSL_CTX *context, const struct tls_options *options,
                                    struct error_text *error) {
    set_modes(context);
    SSL_CTX_set_default_passwd_cb(context, give_password);
    SSL_CTX_set_default_passwd_cb_userdata(context, (void *)(uintptr_t)options->key_password);
    enum larder_status status = load_key_pair(context, options, error);
    SSL_CTX_set_default_passwd_cb_userdata(context, NULL);
    if (status == LARDER_OK)
        status = load_authorities(context, options, error);
    if (status == LARDER_OK)
        status = set_verification(context, options, error);
    if (status == LARDER_OK)
        status = set_protocols(context, options->protocols, error);
    if (status == LARDER_OK)
        status = set_ciphers(context, options, error);
    if (status == LARDER_OK)
        status = set_dh_params(context, options->dh_params_file, error);
    if (status == LARDER_OK)
        set_session_caching(context, options);
    return status;
}

enum larder_status tls_context_create(const struct tls_options *options,
                                      const struct allocator *allocator,
                                      struct tls_context **out_context, struct error_text *error) {
    *out_context = NULL;
    ERR_clear_error();
    struct tls_context *context = allocator_allocate_zeroed(allocator, sizeof *context);
    if (context == NULL) {
        error_text_format(error, "not enough memory for a TLS context");
        return LARDER_NO_MEMORY;
    }
    context->allocator = allocator;
    context->role = options->role;
    atomic_init(&context->references, 1);
    context->transport = tls_transport_create();
    context->ssl_context =
        SSL_CTX_new(options->role == TLS_SERVER ? TLS_server_method() : TLS_client_method());
    enum larder_status status = LARDER_NO_MEMORY;
    if (context->transport != NULL && context->ssl_context != NULL)
        status = configure(context->ssl_context, options, error);
    else
        error_text_format(error, "can't create a TLS context");
    ERR_clear_error();
    if (status == LARDER_OK)
        *out_context = context;
    else
        tls_context_release(context);
    return status;
}

struct tls_context *tls_context_acquire(struct tls_context *context) {
    atomic_fetch_add_explicit(&context->references, 1, memory_order_relaxed);
    return context;
}

void tls_context_release(struct tls_context *context) {
    if (context == NULL)
        return;
    /* Release pairs with the acquire of the last one: what others did with it is over. */
    if (atomic_fetch_sub_explicit(&context->references, 1, memory_order_acq_rel) != 1)
        return;
    SSL_CTX_free(context->ssl_context);
    BIO_meth_free(context->transport);
    allocator_release(context->allocator, context, sizeof *context);
}
