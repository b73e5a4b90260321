/* SPDX-License-Identifier: BSD-3-Clause */
/* An encrypted connection. Arguments: host, port, authority, certificate, key. */
#include <valkey/tls.h>
#include <valkey/valkey.h>

#include <stdlib.h>

int main(int argc, char **argv) {
    if (argc != 6)
        return 2;
    valkeyTLSContextError error;
    valkeyTLSContext *tls =
        valkeyCreateTLSContext(argv[3], NULL, argv[4], argv[5], argv[1], &error);
    if (tls == NULL) {
        fprintf(stderr, "%s\n", valkeyTLSContextGetError(error));
        return 1;
    }
    valkeyContext *c = valkeyConnect(argv[1], atoi(argv[2]));
    if (c == NULL || c->err != 0 || valkeyInitiateTLSWithContext(c, tls) != VALKEY_OK) {
        fprintf(stderr, "%s\n", c != NULL ? c->errstr : "Out of memory");
        return 1;
    }
    valkeyReply *reply = valkeyCommand(c, "PING");
    printf("encrypted: %s\n", reply != NULL ? reply->str : c->errstr);
    freeReplyObject(reply);
    valkeyFree(c);
    valkeyFreeTLSContext(tls);
    return 0;
}
