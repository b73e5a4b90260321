// SPDX-License-Identifier: BSD-3-Clause
// The interface in C++: synchronous, asynchronous and cluster calls in one program. Arguments: host,
// port, port of a cluster node.
#include <valkey/adapters/poll.h>
#include <valkey/cluster.h>
#include <valkey/net.h>
#include <valkey/tls.h>

#include <cstdio>
#include <cstdlib>
#include <string>

static int answers;

static void on_reply(valkeyAsyncContext *ac, void *reply, void *) {
    answers += reply != nullptr;
    valkeyAsyncDisconnect(ac);
}

static bool is_answered(const char *host, int port) {
    valkeyAsyncContext *ac = valkeyAsyncConnect(host, port);
    if (ac == nullptr || valkeyPollAttach(ac) != VALKEY_OK)
        return false;
    valkeyAsyncCommand(ac, on_reply, nullptr, "PING");
    while (answers == 0)
        if (valkeyPollTick(ac, 1.0) == 0)
            return false;
    return true;
}

static bool is_stored(const std::string &seed) {
    valkeyClusterContext *cc = valkeyClusterConnect(seed.c_str());
    auto *reply = static_cast<valkeyReply *>(valkeyClusterCommand(cc, "SET %s %s", "cpp", "1"));
    bool result = reply != nullptr && std::string(reply->str) == "OK";
    freeReplyObject(reply);
    valkeyClusterFree(cc);
    return result;
}

int main(int argc, char **argv) {
    if (argc != 4)
        return 2;
    valkeyOptions options = {};
    VALKEY_OPTIONS_SET_TCP(&options, argv[1], std::atoi(argv[2]));
    valkeyContext *c = valkeyConnectWithOptions(&options);
    auto *reply = static_cast<valkeyReply *>(valkeyCommand(c, "ECHO %s", "c++"));
    if (reply == nullptr)
        return 1;
    std::printf("ECHO: %s\n", reply->str);
    freeReplyObject(reply);
    valkeyFree(c);
    if (!is_answered(argv[1], std::atoi(argv[2])) ||
        !is_stored(std::string(argv[1]) + ":" + argv[3]))
        return 1;
    std::printf("done\n");
    return 0;
}
