/* SPDX-License-Identifier: BSD-3-Clause */
/* Connect to the primary of the service "service", wherever it is. Takes the address of a sentinel.
 */
#include <valkey/sentinel.h>

int main(int argc, char **argv) {
    if (argc != 3)
        return 2;
    char sentinels[256];
    snprintf(sentinels, sizeof sentinels, "%s:%s", argv[1], argv[2]);
    struct timeval timeout = {.tv_sec = 2};
    valkeySentinelOptions options = {.sentinels = sentinels,
                                     .service = "service",
                                     .connect_timeout = &timeout,
                                     .command_timeout = &timeout};
    valkeyContext *c = valkeySentinelConnect(&options);
    if (c == NULL || c->err != 0) {
        fprintf(stderr, "service: %s\n", c != NULL ? c->errstr : "Out of memory");
        valkeyFree(c);
        return 1;
    }
    valkeyReply *reply = valkeyCommand(c, "PING");
    printf("primary: %s\n", reply != NULL ? reply->str : c->errstr);
    freeReplyObject(reply);
    valkeyFree(c);
    return 0;
}
