/* SPDX-License-Identifier: BSD-3-Clause */
/* URLs of servers; whatever comes out of one must be fit for connecting. */
#include <valkey/url.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    const char *error = NULL;
    valkeyUrl *url = valkeyUrlParse(text, &error);
    if (url == NULL ? error == NULL
                    : url->host == NULL || *url->host == '\0' || url->database < 0 ||
                          (url->type == VALKEY_CONN_TCP &&
                           (url->port < 1 || url->port > 65535 || url->nodes == NULL)))
        abort();
    valkeyUrlFree(url);
    free(text);
    return 0;
}
