/* SPDX-License-Identifier: BSD-3-Clause */
/* The documented interface, written down a second time: programs compiled against it must find the
 * same functions, constants and public fields in include/valkey. A difference does not compile. */
#include "support/testing.h"

#include <assert.h>
#include <valkey/adapters/poll.h>
#include <valkey/cluster.h>
#include <valkey/net.h>
#include <valkey/tls.h>

/* Functions. A declaration that differs from the header's is an error. */
valkeyPushFn *valkeySetPushCallback(valkeyContext *c, valkeyPushFn *fn);
valkeyReader *valkeyReaderCreateWithFunctions(valkeyReplyObjectFunctions *fn);
void valkeyReaderFree(valkeyReader *r);
int valkeyReaderFeed(valkeyReader *r, const char *buf, size_t len);
int valkeyReaderGetReadBuf(valkeyReader *r, char **buf, size_t *cap, size_t minbytes);
void valkeyReaderCommitRead(valkeyReader *r, size_t nread);
int valkeyReaderGetReply(valkeyReader *r, void **reply);
valkeyAllocFuncs valkeySetAllocators(valkeyAllocFuncs *fns);
void valkeyResetAllocators(void);
valkeyReader *valkeyReaderCreate(void);
void freeReplyObject(void *reply);
int valkeyvFormatCommand(char **target, const char *format, va_list ap);
int valkeyFormatCommand(char **target, const char *format, ...);
long long valkeyFormatCommandArgv(char **target, int argc, const char **argv,
                                  const size_t *argvlen);
void valkeyFreeCommand(char *cmd);
valkeyContext *valkeyConnectWithOptions(const valkeyOptions *options);
valkeyContext *valkeyConnect(const char *ip, int port);
valkeyContext *valkeyConnectWithTimeout(const char *ip, int port, const struct timeval tv);
valkeyContext *valkeyConnectNonBlock(const char *ip, int port);
valkeyContext *valkeyConnectBindNonBlock(const char *ip, int port, const char *source_addr);
valkeyContext *valkeyConnectBindNonBlockWithReuse(const char *ip, int port,
                                                  const char *source_addr);
valkeyContext *valkeyConnectUnix(const char *path);
valkeyContext *valkeyConnectUnixWithTimeout(const char *path, const struct timeval tv);
valkeyContext *valkeyConnectUnixNonBlock(const char *path);
valkeyContext *valkeyConnectFd(valkeyFD fd);
int valkeyReconnect(valkeyContext *c);
valkeyPushFn *valkeySetPushCallback(valkeyContext *c, valkeyPushFn *fn);
int valkeySetTimeout(valkeyContext *c, const struct timeval tv);
int valkeyEnableKeepAlive(valkeyContext *c);
int valkeyEnableKeepAliveWithInterval(valkeyContext *c, int interval);
int valkeySetTcpUserTimeout(valkeyContext *c, unsigned int timeout);
void valkeyFree(valkeyContext *c);
valkeyFD valkeyFreeKeepFd(valkeyContext *c);
int valkeyBufferRead(valkeyContext *c);
int valkeyBufferWrite(valkeyContext *c, int *done);
int valkeyGetReply(valkeyContext *c, void **reply);
int valkeyGetReplyFromReader(valkeyContext *c, void **reply);
int valkeyAppendFormattedCommand(valkeyContext *c, const char *cmd, size_t len);
int valkeyvAppendCommand(valkeyContext *c, const char *format, va_list ap);
int valkeyAppendCommand(valkeyContext *c, const char *format, ...);
int valkeyAppendCommandArgv(valkeyContext *c, int argc, const char **argv, const size_t *argvlen);
void *valkeyvCommand(valkeyContext *c, const char *format, va_list ap);
void *valkeyCommand(valkeyContext *c, const char *format, ...);
void *valkeyCommandArgv(valkeyContext *c, int argc, const char **argv, const size_t *argvlen);
void valkeyNetClose(valkeyContext *c);
int valkeyHasMptcp(void);
int valkeyCheckSocketError(valkeyContext *c);
int valkeyTcpSetTimeout(valkeyContext *c, const struct timeval tv);
int valkeyContextConnectTcp(valkeyContext *c, const valkeyOptions *options);
int valkeyKeepAlive(valkeyContext *c, int interval);
int valkeyCheckConnectDone(valkeyContext *c, int *completed);
int valkeySetTcpNoDelay(valkeyContext *c);
int valkeyContextSetTcpUserTimeout(valkeyContext *c, unsigned int timeout);
valkeyAsyncContext *valkeyAsyncConnectWithOptions(const valkeyOptions *options);
valkeyAsyncContext *valkeyAsyncConnect(const char *ip, int port);
valkeyAsyncContext *valkeyAsyncConnectBind(const char *ip, int port, const char *source_addr);
valkeyAsyncContext *valkeyAsyncConnectBindWithReuse(const char *ip, int port,
                                                    const char *source_addr);
valkeyAsyncContext *valkeyAsyncConnectUnix(const char *path);
int valkeyAsyncSetConnectCallback(valkeyAsyncContext *ac, valkeyConnectCallback *fn);
int valkeyAsyncSetDisconnectCallback(valkeyAsyncContext *ac, valkeyDisconnectCallback *fn);
valkeyAsyncPushFn *valkeyAsyncSetPushCallback(valkeyAsyncContext *ac, valkeyAsyncPushFn *fn);
int valkeyAsyncSetTimeout(valkeyAsyncContext *ac, struct timeval tv);
void valkeyAsyncDisconnect(valkeyAsyncContext *ac);
void valkeyAsyncFree(valkeyAsyncContext *ac);
void valkeyAsyncHandleRead(valkeyAsyncContext *ac);
void valkeyAsyncHandleWrite(valkeyAsyncContext *ac);
void valkeyAsyncHandleTimeout(valkeyAsyncContext *ac);
void valkeyAsyncRead(valkeyAsyncContext *ac);
void valkeyAsyncWrite(valkeyAsyncContext *ac);
int valkeyvAsyncCommand(valkeyAsyncContext *ac, valkeyCallbackFn *fn, void *privdata,
                        const char *format, va_list ap);
int valkeyAsyncCommand(valkeyAsyncContext *ac, valkeyCallbackFn *fn, void *privdata,
                       const char *format, ...);
int valkeyAsyncCommandArgv(valkeyAsyncContext *ac, valkeyCallbackFn *fn, void *privdata, int argc,
                           const char **argv, const size_t *argvlen);
int valkeyAsyncFormattedCommand(valkeyAsyncContext *ac, valkeyCallbackFn *fn, void *privdata,
                                const char *cmd, size_t len);
valkeyClusterContext *valkeyClusterConnectWithOptions(const valkeyClusterOptions *options);
valkeyClusterContext *valkeyClusterConnect(const char *addrs);
valkeyClusterContext *valkeyClusterConnectWithTimeout(const char *addrs, const struct timeval tv);
void valkeyClusterFree(valkeyClusterContext *cc);
int valkeyClusterSetOptionTimeout(valkeyClusterContext *cc, const struct timeval tv);
void *valkeyClusterCommand(valkeyClusterContext *cc, const char *format, ...);
void *valkeyClusterCommandToNode(valkeyClusterContext *cc, valkeyClusterNode *node,
                                 const char *format, ...);
void *valkeyClustervCommand(valkeyClusterContext *cc, const char *format, va_list ap);
void *valkeyClustervCommandToNode(valkeyClusterContext *cc, valkeyClusterNode *node,
                                  const char *format, va_list ap);
void *valkeyClusterCommandArgv(valkeyClusterContext *cc, int argc, const char **argv,
                               const size_t *argvlen);
void *valkeyClusterFormattedCommand(valkeyClusterContext *cc, char *cmd, int len);
int valkeyClusterAppendCommand(valkeyClusterContext *cc, const char *format, ...);
int valkeyClusterAppendCommandToNode(valkeyClusterContext *cc, valkeyClusterNode *node,
                                     const char *format, ...);
int valkeyClustervAppendCommand(valkeyClusterContext *cc, const char *format, va_list ap);
int valkeyClustervAppendCommandToNode(valkeyClusterContext *cc, valkeyClusterNode *node,
                                      const char *format, va_list ap);
int valkeyClusterAppendCommandArgv(valkeyClusterContext *cc, int argc, const char **argv,
                                   const size_t *argvlen);
int valkeyClusterAppendFormattedCommand(valkeyClusterContext *cc, char *cmd, int len);
int valkeyClusterGetReply(valkeyClusterContext *cc, void **reply);
void valkeyClusterReset(valkeyClusterContext *cc);
int valkeyClusterUpdateSlotmap(valkeyClusterContext *cc);
valkeyContext *valkeyClusterGetValkeyContext(valkeyClusterContext *cc, valkeyClusterNode *node);
valkeyClusterAsyncContext *
valkeyClusterAsyncConnectWithOptions(const valkeyClusterOptions *options);
void valkeyClusterAsyncDisconnect(valkeyClusterAsyncContext *acc);
void valkeyClusterAsyncFree(valkeyClusterAsyncContext *acc);
int valkeyClusterAsyncCommand(valkeyClusterAsyncContext *acc, valkeyClusterCallbackFn *fn,
                              void *privdata, const char *format, ...);
int valkeyClusterAsyncCommandToNode(valkeyClusterAsyncContext *acc, valkeyClusterNode *node,
                                    valkeyClusterCallbackFn *fn, void *privdata, const char *format,
                                    ...);
int valkeyClustervAsyncCommand(valkeyClusterAsyncContext *acc, valkeyClusterCallbackFn *fn,
                               void *privdata, const char *format, va_list ap);
int valkeyClusterAsyncCommandArgv(valkeyClusterAsyncContext *acc, valkeyClusterCallbackFn *fn,
                                  void *privdata, int argc, const char **argv,
                                  const size_t *argvlen);
int valkeyClusterAsyncCommandArgvToNode(valkeyClusterAsyncContext *acc, valkeyClusterNode *node,
                                        valkeyClusterCallbackFn *fn, void *privdata, int argc,
                                        const char **argv, const size_t *argvlen);
int valkeyClusterAsyncFormattedCommand(valkeyClusterAsyncContext *acc, valkeyClusterCallbackFn *fn,
                                       void *privdata, char *cmd, int len);
int valkeyClusterAsyncFormattedCommandToNode(valkeyClusterAsyncContext *acc,
                                             valkeyClusterNode *node, valkeyClusterCallbackFn *fn,
                                             void *privdata, char *cmd, int len);
valkeyAsyncContext *valkeyClusterGetValkeyAsyncContext(valkeyClusterAsyncContext *acc,
                                                       valkeyClusterNode *node);
void valkeyClusterInitNodeIterator(valkeyClusterNodeIterator *iter, valkeyClusterContext *cc);
valkeyClusterNode *valkeyClusterNodeNext(valkeyClusterNodeIterator *iter);
unsigned int valkeyClusterGetSlotByKey(char *key);
valkeyClusterNode *valkeyClusterGetNodeByKey(valkeyClusterContext *cc, char *key);
const char *valkeyTLSContextGetError(valkeyTLSContextError error);
int valkeyInitOpenSSL(void);
valkeyTLSContext *valkeyCreateTLSContext(const char *cacert_filename, const char *capath,
                                         const char *cert_filename,
                                         const char *private_key_filename, const char *server_name,
                                         valkeyTLSContextError *error);
valkeyTLSContext *valkeyCreateTLSContextWithOptions(valkeyTLSOptions *options,
                                                    valkeyTLSContextError *error);
void valkeyFreeTLSContext(valkeyTLSContext *);
int valkeyInitiateTLSWithContext(struct valkeyContext *c, valkeyTLSContext *);
int valkeyInitiateTLS(struct valkeyContext *c, struct ssl_st *ssl);

/* Constants. */
static_assert((long long)VALKEY_ERR == -1, "VALKEY_ERR");
static_assert((long long)VALKEY_OK == 0, "VALKEY_OK");
static_assert((long long)VALKEY_ERR_IO == 1, "VALKEY_ERR_IO");
static_assert((long long)VALKEY_ERR_OTHER == 2, "VALKEY_ERR_OTHER");
static_assert((long long)VALKEY_ERR_EOF == 3, "VALKEY_ERR_EOF");
static_assert((long long)VALKEY_ERR_PROTOCOL == 4, "VALKEY_ERR_PROTOCOL");
static_assert((long long)VALKEY_ERR_OOM == 5, "VALKEY_ERR_OOM");
static_assert((long long)VALKEY_ERR_TIMEOUT == 6, "VALKEY_ERR_TIMEOUT");
static_assert((long long)VALKEY_REPLY_STRING == 1, "VALKEY_REPLY_STRING");
static_assert((long long)VALKEY_REPLY_ARRAY == 2, "VALKEY_REPLY_ARRAY");
static_assert((long long)VALKEY_REPLY_INTEGER == 3, "VALKEY_REPLY_INTEGER");
static_assert((long long)VALKEY_REPLY_NIL == 4, "VALKEY_REPLY_NIL");
static_assert((long long)VALKEY_REPLY_STATUS == 5, "VALKEY_REPLY_STATUS");
static_assert((long long)VALKEY_REPLY_ERROR == 6, "VALKEY_REPLY_ERROR");
static_assert((long long)VALKEY_REPLY_DOUBLE == 7, "VALKEY_REPLY_DOUBLE");
static_assert((long long)VALKEY_REPLY_BOOL == 8, "VALKEY_REPLY_BOOL");
static_assert((long long)VALKEY_REPLY_MAP == 9, "VALKEY_REPLY_MAP");
static_assert((long long)VALKEY_REPLY_SET == 10, "VALKEY_REPLY_SET");
static_assert((long long)VALKEY_REPLY_ATTR == 11, "VALKEY_REPLY_ATTR");
static_assert((long long)VALKEY_REPLY_PUSH == 12, "VALKEY_REPLY_PUSH");
static_assert((long long)VALKEY_REPLY_BIGNUM == 13, "VALKEY_REPLY_BIGNUM");
static_assert((long long)VALKEY_REPLY_VERB == 14, "VALKEY_REPLY_VERB");
static_assert((long long)VALKEY_READER_MAX_BUF == 16384, "VALKEY_READER_MAX_BUF");
static_assert((long long)LIBVALKEY_VERSION_MAJOR == 0, "LIBVALKEY_VERSION_MAJOR");
static_assert((long long)LIBVALKEY_VERSION_MINOR == 5, "LIBVALKEY_VERSION_MINOR");
static_assert((long long)LIBVALKEY_VERSION_PATCH == 0, "LIBVALKEY_VERSION_PATCH");
static_assert((long long)VALKEY_BLOCK == 0x1, "VALKEY_BLOCK");
static_assert((long long)VALKEY_CONNECTED == 0x2, "VALKEY_CONNECTED");
static_assert((long long)VALKEY_DISCONNECTING == 0x4, "VALKEY_DISCONNECTING");
static_assert((long long)VALKEY_FREEING == 0x8, "VALKEY_FREEING");
static_assert((long long)VALKEY_IN_CALLBACK == 0x10, "VALKEY_IN_CALLBACK");
static_assert((long long)VALKEY_SUBSCRIBED == 0x20, "VALKEY_SUBSCRIBED");
static_assert((long long)VALKEY_MONITORING == 0x40, "VALKEY_MONITORING");
static_assert((long long)VALKEY_REUSEADDR == 0x80, "VALKEY_REUSEADDR");
static_assert((long long)VALKEY_SUPPORTS_PUSH == 0x100, "VALKEY_SUPPORTS_PUSH");
static_assert((long long)VALKEY_NO_AUTO_FREE == 0x200, "VALKEY_NO_AUTO_FREE");
static_assert((long long)VALKEY_NO_AUTO_FREE_REPLIES == 0x400, "VALKEY_NO_AUTO_FREE_REPLIES");
static_assert((long long)VALKEY_PREFER_IPV4 == 0x800, "VALKEY_PREFER_IPV4");
static_assert((long long)VALKEY_PREFER_IPV6 == 0x1000, "VALKEY_PREFER_IPV6");
static_assert((long long)VALKEY_MPTCP == 0x2000, "VALKEY_MPTCP");
static_assert((long long)VALKEY_KEEPALIVE_INTERVAL == 15, "VALKEY_KEEPALIVE_INTERVAL");
static_assert((long long)VALKEY_CONNECT_RETRIES == 10, "VALKEY_CONNECT_RETRIES");
static_assert((long long)VALKEY_OPT_NONBLOCK == 0x01, "VALKEY_OPT_NONBLOCK");
static_assert((long long)VALKEY_OPT_REUSEADDR == 0x02, "VALKEY_OPT_REUSEADDR");
static_assert((long long)VALKEY_OPT_NOAUTOFREE == 0x04, "VALKEY_OPT_NOAUTOFREE");
static_assert((long long)VALKEY_OPT_NO_PUSH_AUTOFREE == 0x08, "VALKEY_OPT_NO_PUSH_AUTOFREE");
static_assert((long long)VALKEY_OPT_NOAUTOFREEREPLIES == 0x10, "VALKEY_OPT_NOAUTOFREEREPLIES");
static_assert((long long)VALKEY_OPT_PREFER_IPV4 == 0x20, "VALKEY_OPT_PREFER_IPV4");
static_assert((long long)VALKEY_OPT_PREFER_IPV6 == 0x40, "VALKEY_OPT_PREFER_IPV6");
static_assert((long long)VALKEY_OPT_PREFER_IP_UNSPEC == 0x60, "VALKEY_OPT_PREFER_IP_UNSPEC");
static_assert((long long)VALKEY_OPT_MPTCP == 0x80, "VALKEY_OPT_MPTCP");
static_assert((long long)VALKEY_OPT_LAST_SA_OPTION == 0x80, "VALKEY_OPT_LAST_SA_OPTION");
static_assert((long long)VALKEY_CONN_TCP == 0, "VALKEY_CONN_TCP");
static_assert((long long)VALKEY_CONN_UNIX == 1, "VALKEY_CONN_UNIX");
static_assert((long long)VALKEY_CONN_USERFD == 2, "VALKEY_CONN_USERFD");
static_assert((long long)VALKEY_CONN_RDMA == 3, "VALKEY_CONN_RDMA");
static_assert((long long)VALKEY_CONN_MAX == 4, "VALKEY_CONN_MAX");
static_assert((long long)VALKEY_INVALID_FD == -1, "VALKEY_INVALID_FD");
static_assert((long long)VALKEY_TIMEOUT_INACTIVE == -1, "VALKEY_TIMEOUT_INACTIVE");
static_assert((long long)VALKEYCLUSTER_SLOTS == 16384, "VALKEYCLUSTER_SLOTS");
static_assert((long long)VALKEY_ROLE_UNKNOWN == 0, "VALKEY_ROLE_UNKNOWN");
static_assert((long long)VALKEY_ROLE_PRIMARY == 1, "VALKEY_ROLE_PRIMARY");
static_assert((long long)VALKEY_ROLE_REPLICA == 2, "VALKEY_ROLE_REPLICA");
static_assert((long long)VALKEYCLUSTER_EVENT_SLOTMAP_UPDATED == 1,
              "VALKEYCLUSTER_EVENT_SLOTMAP_UPDATED");
static_assert((long long)VALKEYCLUSTER_EVENT_READY == 2, "VALKEYCLUSTER_EVENT_READY");
static_assert((long long)VALKEYCLUSTER_EVENT_FREE_CONTEXT == 3, "VALKEYCLUSTER_EVENT_FREE_CONTEXT");
static_assert((long long)VALKEY_OPT_USE_CLUSTER_NODES == 0x1000, "VALKEY_OPT_USE_CLUSTER_NODES");
static_assert((long long)VALKEY_OPT_USE_REPLICAS == 0x2000, "VALKEY_OPT_USE_REPLICAS");
static_assert((long long)VALKEY_OPT_BLOCKING_INITIAL_UPDATE == 0x4000,
              "VALKEY_OPT_BLOCKING_INITIAL_UPDATE");
static_assert((long long)VALKEY_TLS_CTX_NONE == 0, "VALKEY_TLS_CTX_NONE");
static_assert((long long)VALKEY_TLS_CTX_CREATE_FAILED == 1, "VALKEY_TLS_CTX_CREATE_FAILED");
static_assert((long long)VALKEY_TLS_CTX_CERT_KEY_REQUIRED == 2, "VALKEY_TLS_CTX_CERT_KEY_REQUIRED");
static_assert((long long)VALKEY_TLS_CTX_CA_CERT_LOAD_FAILED == 3,
              "VALKEY_TLS_CTX_CA_CERT_LOAD_FAILED");
static_assert((long long)VALKEY_TLS_CTX_CLIENT_CERT_LOAD_FAILED == 4,
              "VALKEY_TLS_CTX_CLIENT_CERT_LOAD_FAILED");
static_assert((long long)VALKEY_TLS_CTX_CLIENT_DEFAULT_CERT_FAILED == 5,
              "VALKEY_TLS_CTX_CLIENT_DEFAULT_CERT_FAILED");
static_assert((long long)VALKEY_TLS_CTX_PRIVATE_KEY_LOAD_FAILED == 6,
              "VALKEY_TLS_CTX_PRIVATE_KEY_LOAD_FAILED");
static_assert((long long)VALKEY_TLS_CTX_OS_CERTSTORE_OPEN_FAILED == 7,
              "VALKEY_TLS_CTX_OS_CERTSTORE_OPEN_FAILED");
static_assert((long long)VALKEY_TLS_CTX_OS_CERT_ADD_FAILED == 8,
              "VALKEY_TLS_CTX_OS_CERT_ADD_FAILED");
static_assert((long long)VALKEY_TLS_VERIFY_NONE == 0, "VALKEY_TLS_VERIFY_NONE");
static_assert((long long)VALKEY_TLS_VERIFY_PEER == 1, "VALKEY_TLS_VERIFY_PEER");
static_assert((long long)VALKEY_TLS_VERIFY_FAIL_IF_NO_PEER_CERT == 2,
              "VALKEY_TLS_VERIFY_FAIL_IF_NO_PEER_CERT");
static_assert((long long)VALKEY_TLS_VERIFY_CLIENT_ONCE == 4, "VALKEY_TLS_VERIFY_CLIENT_ONCE");
static_assert((long long)VALKEY_TLS_VERIFY_POST_HANDSHAKE == 8, "VALKEY_TLS_VERIFY_POST_HANDSHAKE");
static_assert((long long)VALKEY_POLL_HANDLED_READ == 1, "VALKEY_POLL_HANDLED_READ");
static_assert((long long)VALKEY_POLL_HANDLED_WRITE == 2, "VALKEY_POLL_HANDLED_WRITE");
static_assert((long long)VALKEY_POLL_HANDLED_TIMEOUT == 4, "VALKEY_POLL_HANDLED_TIMEOUT");
static_assert(VALKEY_READER_MAX_ARRAY_ELEMENTS > 0, "VALKEY_READER_MAX_ARRAY_ELEMENTS");

/* Public fields: order, place and type. */
#define SAME_FIELD(type, field)                                                                    \
    static_assert(offsetof(type, field) == offsetof(struct expected_##type, field) &&              \
                      sizeof(((type *)0)->field) == sizeof(((struct expected_##type *)0)->field),  \
                  #type "." #field)

struct expected_valkeyReadTask {
    int type;
    long long elements;
    int idx;
    void *obj;
    valkeyReadTask *parent;
    void *privdata;
};
SAME_FIELD(valkeyReadTask, type);
SAME_FIELD(valkeyReadTask, elements);
SAME_FIELD(valkeyReadTask, idx);
SAME_FIELD(valkeyReadTask, obj);
SAME_FIELD(valkeyReadTask, parent);
SAME_FIELD(valkeyReadTask, privdata);
static_assert(sizeof(valkeyReadTask) == sizeof(struct expected_valkeyReadTask), "valkeyReadTask");

struct expected_valkeyReader {
    int err;
    char errstr[128];
    char *buf;
    size_t pos, len, maxbuf;
    long long maxelements;
    valkeyReadTask **task;
    int tasks;
    int ridx;
    void *reply;
    valkeyReplyObjectFunctions *fn;
    void *privdata;
};
SAME_FIELD(valkeyReader, err);
SAME_FIELD(valkeyReader, errstr);
SAME_FIELD(valkeyReader, buf);
SAME_FIELD(valkeyReader, pos);
SAME_FIELD(valkeyReader, len);
SAME_FIELD(valkeyReader, maxbuf);
SAME_FIELD(valkeyReader, maxelements);
SAME_FIELD(valkeyReader, task);
SAME_FIELD(valkeyReader, tasks);
SAME_FIELD(valkeyReader, ridx);
SAME_FIELD(valkeyReader, reply);
SAME_FIELD(valkeyReader, fn);
SAME_FIELD(valkeyReader, privdata);
static_assert(sizeof(valkeyReader) == sizeof(struct expected_valkeyReader), "valkeyReader");

struct expected_valkeyReply {
    int type;
    long long integer;
    double dval;
    size_t len;
    char *str;
    char vtype[4];
    size_t elements;
    valkeyReply **element;
};
SAME_FIELD(valkeyReply, type);
SAME_FIELD(valkeyReply, integer);
SAME_FIELD(valkeyReply, dval);
SAME_FIELD(valkeyReply, len);
SAME_FIELD(valkeyReply, str);
SAME_FIELD(valkeyReply, vtype);
SAME_FIELD(valkeyReply, elements);
SAME_FIELD(valkeyReply, element);
static_assert(sizeof(valkeyReply) == sizeof(struct expected_valkeyReply), "valkeyReply");

struct expected_valkeyContext {
    const valkeyContextFuncs *funcs;
    int err;
    char errstr[128];
    valkeyFD fd;
    int flags;
    char *obuf;
    valkeyReader *reader;
    enum valkeyConnectionType connection_type;
    struct timeval *connect_timeout, *command_timeout;
    struct {
        char *host;
        char *source_addr;
        int port;
    } tcp;
    struct {
        char *path;
    } unix_sock;
    struct sockaddr *saddr;
    size_t addrlen;
    void *privdata;
    void (*free_privdata)(void *);
    void *privctx;
    valkeyPushFn *push_cb;
};
SAME_FIELD(valkeyContext, funcs);
SAME_FIELD(valkeyContext, err);
SAME_FIELD(valkeyContext, errstr);
SAME_FIELD(valkeyContext, fd);
SAME_FIELD(valkeyContext, flags);
SAME_FIELD(valkeyContext, obuf);
SAME_FIELD(valkeyContext, reader);
SAME_FIELD(valkeyContext, connection_type);
SAME_FIELD(valkeyContext, connect_timeout);
SAME_FIELD(valkeyContext, command_timeout);
SAME_FIELD(valkeyContext, tcp);
SAME_FIELD(valkeyContext, unix_sock);
SAME_FIELD(valkeyContext, saddr);
SAME_FIELD(valkeyContext, addrlen);
SAME_FIELD(valkeyContext, privdata);
SAME_FIELD(valkeyContext, free_privdata);
SAME_FIELD(valkeyContext, privctx);
SAME_FIELD(valkeyContext, push_cb);
static_assert(sizeof(valkeyContext) == sizeof(struct expected_valkeyContext), "valkeyContext");

struct expected_valkeyAsyncContext {
    valkeyContext c;
    int err;
    char *errstr;
    void *data;
    void (*dataCleanup)(void *);
    struct {
        void *data;
        void (*addRead)(void *), (*delRead)(void *), (*addWrite)(void *), (*delWrite)(void *),
            (*cleanup)(void *);
        void (*scheduleTimer)(void *, struct timeval);
    } ev;
    valkeyDisconnectCallback *onDisconnect;
    valkeyConnectCallback *onConnect;
    valkeyCallbackList replies;
    struct sockaddr *saddr;
    size_t addrlen;
    struct {
        valkeyCallbackList replies;
        struct dict *channels, *patterns, *schannels;
        int pending_unsubs;
    } sub;
    valkeyAsyncPushFn *push_cb;
    int timeout_reply_count;
};
SAME_FIELD(valkeyAsyncContext, c);
SAME_FIELD(valkeyAsyncContext, err);
SAME_FIELD(valkeyAsyncContext, errstr);
SAME_FIELD(valkeyAsyncContext, data);
SAME_FIELD(valkeyAsyncContext, dataCleanup);
SAME_FIELD(valkeyAsyncContext, ev);
SAME_FIELD(valkeyAsyncContext, onDisconnect);
SAME_FIELD(valkeyAsyncContext, onConnect);
SAME_FIELD(valkeyAsyncContext, replies);
SAME_FIELD(valkeyAsyncContext, saddr);
SAME_FIELD(valkeyAsyncContext, addrlen);
SAME_FIELD(valkeyAsyncContext, sub);
SAME_FIELD(valkeyAsyncContext, push_cb);
SAME_FIELD(valkeyAsyncContext, timeout_reply_count);
static_assert(sizeof(valkeyAsyncContext) == sizeof(struct expected_valkeyAsyncContext),
              "valkeyAsyncContext");

struct expected_valkeyClusterNode {
    char *name, *addr, *host;
    uint16_t port;
    uint8_t role, pad;
    int failure_count;
    valkeyContext *con;
    valkeyAsyncContext *acon;
    int64_t lastConnectionAttempt;
    struct hilist *slots, *replicas;
};
SAME_FIELD(valkeyClusterNode, name);
SAME_FIELD(valkeyClusterNode, addr);
SAME_FIELD(valkeyClusterNode, host);
SAME_FIELD(valkeyClusterNode, port);
SAME_FIELD(valkeyClusterNode, role);
SAME_FIELD(valkeyClusterNode, pad);
SAME_FIELD(valkeyClusterNode, failure_count);
SAME_FIELD(valkeyClusterNode, con);
SAME_FIELD(valkeyClusterNode, acon);
SAME_FIELD(valkeyClusterNode, lastConnectionAttempt);
SAME_FIELD(valkeyClusterNode, slots);
SAME_FIELD(valkeyClusterNode, replicas);
static_assert(sizeof(valkeyClusterNode) == sizeof(struct expected_valkeyClusterNode),
              "valkeyClusterNode");

struct expected_cluster_slot {
    uint32_t start, end;
    valkeyClusterNode *node;
};
SAME_FIELD(cluster_slot, start);
SAME_FIELD(cluster_slot, end);
SAME_FIELD(cluster_slot, node);
static_assert(sizeof(cluster_slot) == sizeof(struct expected_cluster_slot), "cluster_slot");

struct expected_valkeyClusterContext {
    int err;
    char errstr[128];
    int options, flags;
    struct timeval *connect_timeout, *command_timeout;
    int max_retry_count;
    char *username, *password;
    int select_db;
    struct dict *nodes;
    uint64_t route_version;
    valkeyClusterNode **table;
    struct hilist *requests;
    int retry_count;
    int need_update_route;
    void *tls;
    int (*tls_init_fn)(struct valkeyContext *, struct valkeyTLSContext *);
    void (*on_connect)(const struct valkeyContext *, int);
    void (*event_callback)(const struct valkeyClusterContext *, int, void *);
    void *event_privdata;
};
SAME_FIELD(valkeyClusterContext, err);
SAME_FIELD(valkeyClusterContext, errstr);
SAME_FIELD(valkeyClusterContext, options);
SAME_FIELD(valkeyClusterContext, flags);
SAME_FIELD(valkeyClusterContext, connect_timeout);
SAME_FIELD(valkeyClusterContext, command_timeout);
SAME_FIELD(valkeyClusterContext, max_retry_count);
SAME_FIELD(valkeyClusterContext, username);
SAME_FIELD(valkeyClusterContext, password);
SAME_FIELD(valkeyClusterContext, select_db);
SAME_FIELD(valkeyClusterContext, nodes);
SAME_FIELD(valkeyClusterContext, route_version);
SAME_FIELD(valkeyClusterContext, table);
SAME_FIELD(valkeyClusterContext, requests);
SAME_FIELD(valkeyClusterContext, retry_count);
SAME_FIELD(valkeyClusterContext, need_update_route);
SAME_FIELD(valkeyClusterContext, tls);
SAME_FIELD(valkeyClusterContext, tls_init_fn);
SAME_FIELD(valkeyClusterContext, on_connect);
SAME_FIELD(valkeyClusterContext, event_callback);
SAME_FIELD(valkeyClusterContext, event_privdata);
static_assert(sizeof(valkeyClusterContext) == sizeof(struct expected_valkeyClusterContext),
              "valkeyClusterContext");

struct expected_valkeyClusterAsyncContext {
    valkeyClusterContext cc;
    int err;
    char *errstr;
    int64_t lastSlotmapUpdateAttempt;
    int (*attach_fn)(valkeyAsyncContext *, void *);
    void *attach_data;
    valkeyDisconnectCallback *onDisconnect;
    valkeyConnectCallback *onConnect;
};
SAME_FIELD(valkeyClusterAsyncContext, cc);
SAME_FIELD(valkeyClusterAsyncContext, err);
SAME_FIELD(valkeyClusterAsyncContext, errstr);
SAME_FIELD(valkeyClusterAsyncContext, lastSlotmapUpdateAttempt);
SAME_FIELD(valkeyClusterAsyncContext, attach_fn);
SAME_FIELD(valkeyClusterAsyncContext, attach_data);
SAME_FIELD(valkeyClusterAsyncContext, onDisconnect);
SAME_FIELD(valkeyClusterAsyncContext, onConnect);
static_assert(sizeof(valkeyClusterAsyncContext) ==
                  sizeof(struct expected_valkeyClusterAsyncContext),
              "valkeyClusterAsyncContext");

struct expected_valkeyClusterNodeIterator {
    uint64_t route_version;
    uint64_t opaque[8];
};
SAME_FIELD(valkeyClusterNodeIterator, route_version);
SAME_FIELD(valkeyClusterNodeIterator, opaque);
static_assert(sizeof(valkeyClusterNodeIterator) ==
                  sizeof(struct expected_valkeyClusterNodeIterator),
              "valkeyClusterNodeIterator");

struct expected_valkeyClusterOptions {
    const char *initial_nodes;
    int options;
    const struct timeval *connect_timeout, *command_timeout;
    const char *username, *password;
    int max_retry;
    int select_db;
    void (*event_callback)(const struct valkeyClusterContext *, int, void *);
    void *event_privdata;
    void (*connect_callback)(const valkeyContext *, int);
    void (*async_connect_callback)(struct valkeyAsyncContext *, int);
    void (*async_disconnect_callback)(const struct valkeyAsyncContext *, int);
    int (*attach_fn)(valkeyAsyncContext *, void *);
    void *attach_data;
    void *tls;
    int (*tls_init_fn)(struct valkeyContext *, struct valkeyTLSContext *);
};
SAME_FIELD(valkeyClusterOptions, initial_nodes);
SAME_FIELD(valkeyClusterOptions, options);
SAME_FIELD(valkeyClusterOptions, connect_timeout);
SAME_FIELD(valkeyClusterOptions, command_timeout);
SAME_FIELD(valkeyClusterOptions, username);
SAME_FIELD(valkeyClusterOptions, password);
SAME_FIELD(valkeyClusterOptions, max_retry);
SAME_FIELD(valkeyClusterOptions, select_db);
SAME_FIELD(valkeyClusterOptions, event_callback);
SAME_FIELD(valkeyClusterOptions, event_privdata);
SAME_FIELD(valkeyClusterOptions, connect_callback);
SAME_FIELD(valkeyClusterOptions, async_connect_callback);
SAME_FIELD(valkeyClusterOptions, async_disconnect_callback);
SAME_FIELD(valkeyClusterOptions, attach_fn);
SAME_FIELD(valkeyClusterOptions, attach_data);
SAME_FIELD(valkeyClusterOptions, tls);
SAME_FIELD(valkeyClusterOptions, tls_init_fn);
static_assert(sizeof(valkeyClusterOptions) == sizeof(struct expected_valkeyClusterOptions),
              "valkeyClusterOptions");

struct expected_valkeyTLSOptions {
    const char *cacert_filename, *capath, *cert_filename, *private_key_filename, *server_name;
    int verify_mode;
};
SAME_FIELD(valkeyTLSOptions, cacert_filename);
SAME_FIELD(valkeyTLSOptions, capath);
SAME_FIELD(valkeyTLSOptions, cert_filename);
SAME_FIELD(valkeyTLSOptions, private_key_filename);
SAME_FIELD(valkeyTLSOptions, server_name);
SAME_FIELD(valkeyTLSOptions, verify_mode);
static_assert(sizeof(valkeyTLSOptions) == sizeof(struct expected_valkeyTLSOptions),
              "valkeyTLSOptions");

static int ignore(valkeyAsyncContext *ac, void *data) {
    (void)ac;
    (void)data;
    return VALKEY_OK;
}

static void option_macros_set_the_endpoint(void **state) {
    (void)state;
    valkeyOptions options = {0};
    VALKEY_OPTIONS_SET_TCP(&options, "::1", 1);
    assert_int_equal(options.type, VALKEY_CONN_TCP);
    assert_string_equal(options.endpoint.tcp.ip, "::1");
    VALKEY_OPTIONS_SET_MPTCP(&options, "::2", 2);
    assert_int_equal(options.endpoint.tcp.port, 2);
    assert_true(options.options & VALKEY_OPT_MPTCP);
    VALKEY_OPTIONS_SET_UNIX(&options, "/path");
    assert_int_equal(options.type, VALKEY_CONN_UNIX);
    VALKEY_OPTIONS_SET_PRIVDATA(&options, &options, NULL);
    assert_ptr_equal(options.privdata, &options);
}

static void reader_macros_show_the_reader(void **state) {
    (void)state;
    valkeyReader *reader = valkeyReaderCreate();
    int data;
    valkeyReaderSetPrivdata(reader, &data);
    assert_ptr_equal(reader->privdata, &data);
    assert_null(valkeyReaderGetObject(reader));
    assert_string_equal(valkeyReaderGetError(reader), "");
    valkeyReply push = {.type = VALKEY_REPLY_PUSH};
    assert_true(valkeyIsPushReply(&push));
    valkeyReaderFree(reader);
}

static void allocation_by_the_table(void **state) {
    (void)state;
    assert_null(vk_calloc(SIZE_MAX / 2, 3));
    char *text = vk_strdup("text");
    text = vk_realloc(text, 100);
    assert_string_equal(text, "text");
    vk_free(text);
    vk_free(vk_malloc(1));
}

static void an_adapter_sets_the_attach_function(void **state) {
    (void)state;
    valkeyClusterOptions options = {.attach_fn = ignore};
    assert_int_equal(valkeyClusterOptionsUsePoll(&options), VALKEY_OK);
    assert_ptr_not_equal(options.attach_fn, ignore);
    assert_int_equal(valkeyClusterOptionsUsePoll(NULL), VALKEY_ERR);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(option_macros_set_the_endpoint),
        cmocka_unit_test(reader_macros_show_the_reader),
        cmocka_unit_test(allocation_by_the_table),
        cmocka_unit_test(an_adapter_sets_the_attach_function),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
