/* SPDX-License-Identifier: BSD-3-Clause */
/* A server given as a URL, and what a URL says. */
#include <valkey/url.h>

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    char text[256];
    snprintf(text, sizeof text, "redis://%s:%s/1", argv[1], argv[2]);
    const char *error = NULL;
    valkeyUrl *url = valkeyUrlParse(text, &error);
    if (url == NULL) {
        fprintf(stderr, "%s\n", error);
        return 1;
    }
    printf("database: %d\n", url->database);
    valkeyUrlFree(url);

    valkeyContext *c = valkeyConnectUrl(text);
    if (c == NULL || c->err != 0) {
        fprintf(stderr, "connect: %s\n", c != NULL ? c->errstr : "Out of memory");
        valkeyFree(c);
        return 1;
    }
    valkeyReply *reply = valkeyCommand(c, "PING");
    printf("PING: %s\n", reply != NULL ? reply->str : c->errstr);
    freeReplyObject(reply);
    valkeyFree(c);
    return 0;
}
