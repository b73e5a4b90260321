/* SPDX-License-Identifier: BSD-3-Clause */
/* What comes between a new blocking connection and its first command. */
#include "client/connection.h"

static int set_up(valkeyContext *c, int count, const char **words) {
    valkeyReply *reply = valkeyCommandArgv(c, count, words, NULL);
    if (reply != NULL && reply->type == VALKEY_REPLY_ERROR)
        valkeySetError(c, VALKEY_ERR_OTHER, reply->str);
    freeReplyObject(reply);
    return c->err == 0 ? VALKEY_OK : VALKEY_ERR;
}

int connection_log_in(valkeyContext *c, const char *username, const char *password, int database) {
    int result = VALKEY_OK;
    if (password != NULL && username != NULL)
        result = set_up(c, 3, (const char *[]){"AUTH", username, password});
    else if (password != NULL)
        result = set_up(c, 2, (const char *[]){"AUTH", password});
    if (result != VALKEY_OK || database <= 0)
        return result;
    char number[16];
    (void)snprintf(number, sizeof number, "%d", database);
    return set_up(c, 2, (const char *[]){"SELECT", number});
}
