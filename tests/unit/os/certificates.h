/* SPDX-License-Identifier: BSD-3-Clause */
/* Certificates for tests, made on the spot: an authority signs a server and a client certificate,
 * a second authority signs a foreign one. Files lie in a directory of their own under /tmp. */
#ifndef LARDER_TESTS_OS_CERTIFICATES_H
#define LARDER_TESTS_OS_CERTIFICATES_H

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct certificates {
    char directory[64];
    char path[96]; /* the last one that certificates_path made */
};

static const char *const CERTIFICATE_FILES[] = {
    "ca.pem",     "ca.key",      "server.pem",  "server.key",   "locked.key", "client.pem",
    "client.key", "foreign.pem", "foreign.key", "other-ca.pem", "garbage.pem"};

static inline const char *certificates_path(struct certificates *set, const char *name) {
    (void)snprintf(set->path, sizeof set->path, "%s/%s", set->directory, name);
    return set->path;
}

static inline bool add_extension(X509 *certificate, X509 *issuer, int nid, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    bool is_added = extension != NULL && X509_add_ext(certificate, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return is_added;
}

/* Self-signed authority when `issuer` is NULL. Returns owned. */
static inline X509 *make_certificate(const char *name, EVP_PKEY *key, X509 *issuer,
                                     EVP_PKEY *issuer_key, long serial) {
    X509 *certificate = X509_new();
    bool is_authority = issuer == NULL;
    if (is_authority) {
        issuer = certificate;
        issuer_key = key;
    }
    X509_NAME *subject = X509_get_subject_name(certificate);
    bool is_good = X509_set_version(certificate, X509_VERSION_3) == 1 &&
                   ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial) == 1 &&
                   X509_gmtime_adj(X509_getm_notBefore(certificate), -3600) != NULL &&
                   X509_gmtime_adj(X509_getm_notAfter(certificate), 86400) != NULL &&
                   X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
                                              (const unsigned char *)name, -1, -1, 0) == 1 &&
                   X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1 &&
                   X509_set_pubkey(certificate, key) == 1 &&
                   add_extension(certificate, issuer, NID_basic_constraints,
                                 is_authority ? "critical,CA:TRUE" : "CA:FALSE") &&
                   (is_authority || add_extension(certificate, issuer, NID_subject_alt_name,
                                                  "DNS:larder.test,IP:127.0.0.1")) &&
                   X509_sign(certificate, issuer_key, EVP_sha256()) > 0;
    if (is_good)
        return certificate;
    X509_free(certificate);
    return NULL;
}

static inline bool write_pair(struct certificates *set, const char *name, X509 *certificate,
                              EVP_PKEY *key) {
    char file_name[32];
    (void)snprintf(file_name, sizeof file_name, "%s.pem", name);
    FILE *file = fopen(certificates_path(set, file_name), "w");
    bool is_good = file != NULL && PEM_write_X509(file, certificate) == 1;
    if (file != NULL)
        is_good = fclose(file) == 0 && is_good;
    (void)snprintf(file_name, sizeof file_name, "%s.key", name);
    file = fopen(certificates_path(set, file_name), "w");
    is_good =
        is_good && file != NULL && PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1;
    if (file != NULL)
        is_good = fclose(file) == 0 && is_good;
    return is_good;
}

static inline bool write_locked_key(struct certificates *set, EVP_PKEY *key, const char *password) {
    FILE *file = fopen(certificates_path(set, "locked.key"), "w");
    bool is_good = file != NULL && PEM_write_PKCS8PrivateKey(file, key, EVP_aes_256_cbc(), NULL, 0,
                                                             NULL, (void *)(size_t)password) == 1;
    if (file != NULL)
        is_good = fclose(file) == 0 && is_good;
    file = fopen(certificates_path(set, "garbage.pem"), "w");
    is_good = is_good && file != NULL && fputs("not a certificate\n", file) >= 0;
    if (file != NULL)
        is_good = fclose(file) == 0 && is_good;
    return is_good;
}

/* Make all of CERTIFICATE_FILES; "locked.key" is the server's key under the password "secret". */
static inline bool certificates_create(struct certificates *set) {
    (void)snprintf(set->directory, sizeof set->directory, "/tmp/larder-tls-XXXXXX");
    if (mkdtemp(set->directory) == NULL)
        return false;
    EVP_PKEY *keys[5];
    for (int i = 0; i < 5; i++)
        keys[i] = EVP_EC_gen("P-256");
    X509 *authority = make_certificate("larder test authority", keys[0], NULL, NULL, 1);
    X509 *server = make_certificate("larder.test", keys[1], authority, keys[0], 2);
    X509 *client = make_certificate("client-one", keys[2], authority, keys[0], 3);
    X509 *other = make_certificate("another authority", keys[3], NULL, NULL, 4);
    X509 *foreign = make_certificate("client-two", keys[4], other, keys[3], 5);
    bool is_good =
        write_pair(set, "ca", authority, keys[0]) && write_pair(set, "server", server, keys[1]) &&
        write_pair(set, "client", client, keys[2]) && write_pair(set, "other-ca", other, keys[3]) &&
        write_pair(set, "foreign", foreign, keys[4]) && write_locked_key(set, keys[1], "secret");
    X509 *all[] = {authority, server, client, other, foreign};
    for (int i = 0; i < 5; i++) {
        X509_free(all[i]);
        EVP_PKEY_free(keys[i]);
    }
    return is_good;
}

static inline void certificates_destroy(struct certificates *set) {
    for (size_t i = 0; i < sizeof CERTIFICATE_FILES / sizeof CERTIFICATE_FILES[0]; i++)
        (void)unlink(certificates_path(set, CERTIFICATE_FILES[i]));
    (void)unlink(certificates_path(set, "other-ca.key"));
    (void)rmdir(set->directory);
}

#endif
