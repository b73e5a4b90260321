/* SPDX-License-Identifier: BSD-3-Clause */
/* Many commands in one round trip. */
#include <valkey/valkey.h>

#include <stdlib.h>

enum { COMMANDS = 1000 };

int main(int argc, char **argv) {
    valkeyContext *c = argc == 3 ? valkeyConnect(argv[1], atoi(argv[2])) : NULL;
    if (c == NULL || c->err != 0)
        return 1;
    freeReplyObject(valkeyCommand(c, "DEL example:counter"));
    for (int i = 0; i < COMMANDS; i++)
        if (valkeyAppendCommand(c, "INCRBY example:counter %d", 2) != VALKEY_OK)
            return 1;
    long long last = 0;
    for (int i = 0; i < COMMANDS; i++) {
        void *reply;
        if (valkeyGetReply(c, &reply) != VALKEY_OK) {
            fprintf(stderr, "%s\n", c->errstr);
            return 1;
        }
        last = ((valkeyReply *)reply)->integer;
        freeReplyObject(reply);
    }
    printf("counter: %lld\n", last);
    valkeyFree(c);
    return 0;
}
