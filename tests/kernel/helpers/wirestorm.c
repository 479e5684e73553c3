// SPDX-License-Identifier: Apache-2.0
// wirestorm SECONDS SEED HELPER: everything at once on the wire. An agent that commits, rotates, wipes, dies and comes
// back; a TLS helper that is killed and started again; clients of five users (the last of no binding) that ask, break off
// anywhere, write what is refused and talk to bad servers. The user 2000 + k has the binding k and secrets that begin with
// "sk-<uid>-"; the server of tests/kernel/server answers with the Authorization that came.
// Prints one line of counters; "wrong" counts answers with another secret, more than one, or none, and must be 0.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include "storm.h"

#define BINDINGS 4
#define CLIENTS 10
#define GOOD 8443
#define WRONG_NAME 8445
#define DROP 8449
#define SILENT 8450

struct counters {
    unsigned long wrong, answered, again, refused, malformed, failed, late, absent, broken, untouched, other;
    unsigned long commits, secrets, wipes, agents, helpers;
};

static struct counters *count;
static const int ports[] = { GOOD, WRONG_NAME, DROP, SILENT };

static int stage_injection(int device, int binding, int port)
{
    struct riptides_injection frame = {
        .scheme = RIPTIDES_SCHEME_HEADER,
        .port = port,
        /* Changes now and then, so that a COMMIT replaces it under its connections. */
        .handshake_ms = 2000 + rand() % 2,
        .host = "api.test",
        .trust = "wiresuite",
        .header_name = "Authorization",
        .prefix = "Bearer ",
    };
    name_key(&frame.key, binding);
    head(&frame.header, RIPTIDES_INJECTION, sizeof(frame));
    return write(device, &frame, sizeof(frame));
}

static void commit_table(int device)
{
    struct riptides_begin begin = { .generation = seq };
    unsigned present = rand() % 4 ? ~0U : (unsigned)rand();
    begin.count = __builtin_popcount(present & ((1 << BINDINGS) - 1));
    begin.injections = begin.count * (sizeof(ports) / sizeof(*ports));
    head(&begin.header, RIPTIDES_BEGIN, sizeof(begin));
    int taken = write(device, &begin, sizeof(begin)) > 0;
    for (int binding = 0; taken && binding < BINDINGS; binding++) {
        if (!(present & 1 << binding))
            continue;
        taken = stage_binding(device, binding, RIPTIDES_DELIVER_WIRE) > 0;
        for (size_t port = 0; taken && port < sizeof(ports) / sizeof(*ports); port++)
            taken = stage_injection(device, binding, ports[port]) > 0;
    }
    struct riptides_commit commit = { .generation = begin.generation };
    head(&commit.header, RIPTIDES_COMMIT, sizeof(commit));
    if (taken && write(device, &commit, sizeof(commit)) > 0)
        add(&count->commits);
}

static void publish(int device, int binding)
{
    struct {
        struct riptides_secret fixed;
        char value[64];
    } frame = { 0 };
    int length = snprintf(frame.value, sizeof(frame.value), "sk-%d-%llu", FIRST_UID + binding, seq);
    name_key(&frame.fixed.key, binding);
    frame.fixed.expires_at_ms = now_ms() + 200 + rand() % 20000;
    frame.fixed.lengths[0] = length;
    head(&frame.fixed.header, RIPTIDES_SECRET, sizeof(frame.fixed) + length);
    if (write(device, &frame, sizeof(frame.fixed) + length) > 0)
        add(&count->secrets);
}

static void be_agent(int unused)
{
    static unsigned char reply[65552];
    int device = begin_session();
    (void)unused;
    add(&count->agents);
    commit_table(device);
    for (int binding = 0; binding < BINDINGS; binding++)
        publish(device, binding);
    while (!over()) {
        int what = rand() % 16;
        usleep(20000);
        if (what == 0) {
            commit_table(device);
        } else if (what == 1) {
            if (wipe(device, rand() % BINDINGS) > 0)
                add(&count->wipes);
        } else if (what < 10) {
            publish(device, rand() % BINDINGS);
        }
        while (read(device, reply, sizeof(reply)) > 0)
            ;
    }
    _exit(0);
}

static int connect_to(int port)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval limit = { 8, 0 };
    setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    if (connect(socket_, (struct sockaddr *)&address, sizeof(address)) < 0) {
        close(socket_);
        return -1;
    }
    return socket_;
}

static void judge_error(void)
{
    switch (errno) {
    case EACCES:
        return add(&count->refused);
    case EINVAL:
        return add(&count->malformed);
    case EPROTO:
        return add(&count->failed);
    case ETIMEDOUT:
        return add(&count->late);
    case EHOSTDOWN:
        return add(&count->absent);
    case EPIPE:
    case ECONNRESET:
        return add(&count->broken);
    default:
        fprintf(stderr, "%s\n", strerrorname_np(errno));
        return add(&count->other);
    }
}

/* The answer must name one secret, and that of this user. Whether the connection goes on. */
static int judge_answer(int socket_, int silent, int user, unsigned long *counter)
{
    char answer[4096], wanted[64];
    size_t got = 0;
    ssize_t length;
    do {
        length = recv(socket_, answer + got, sizeof(answer) - 1 - got, 0);
        got += length > 0 ? length : 0;
        answer[got] = 0;
    } while (length > 0 && !strstr(answer, "\"sni\""));
    if (length < 0 && errno == EAGAIN && silent) {
        add(&count->untouched);
        return 0;
    }
    if (length < 0) {
        judge_error();
        return 0;
    }
    /* The end without an answer: the binding went away before the first write, and TLS servers do not speak HTTP. */
    if (length == 0) {
        add(&count->untouched);
        return 0;
    }
    int size = snprintf(wanted, sizeof(wanted), "\"authorization\":[\"Bearer sk-%d-", FIRST_UID + user);
    char *found = strstr(answer, wanted);
    if (!found || strspn(found + size, "0123456789") == 0 || strncmp(found + size + strspn(found + size, "0123456789"), "\"]", 2)) {
        fprintf(stderr, "user %d: %s\n", FIRST_UID + user, answer);
        add(&count->wrong);
        return 0;
    }
    add(counter);
    return 1;
}

static void *nudge(void *argument)
{
    usleep(rand() % 30000);
    shutdown(*(int *)argument, rand() % 2 ? SHUT_RDWR : SHUT_RD);
    return NULL;
}

static void be_client(int user)
{
    char request[256];
    int length = snprintf(request, sizeof(request), "GET /storm/%d HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer x\r\n\r\n",
                          FIRST_UID + user);
    become_user(user);
    while (!over()) {
        int what = rand() % 16;
        int port = what < 14 ? GOOD : ports[rand() % 4];
        int socket_ = connect_to(port);
        struct linger linger = { 1, 0 };
        pthread_t thread;
        if (socket_ < 0) {
            judge_error();
            continue;
        }
        if (rand() % 3 == 0)
            setsockopt(socket_, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
        if (what == 0) { /* closed in the head */
            (void)!send(socket_, request, 1 + rand() % (length - 1), MSG_NOSIGNAL);
        } else if (what == 1) { /* closed in the handshake */
            fcntl(socket_, F_SETFL, O_NONBLOCK);
            (void)!send(socket_, request, length, MSG_NOSIGNAL);
            if (rand() % 2)
                poll(&(struct pollfd){ .fd = socket_, .events = POLLIN }, 1, rand() % 20);
        } else if (what == 2) { /* shut down by another thread at any time */
            pthread_create(&thread, NULL, nudge, &socket_);
            (void)!send(socket_, request, length, MSG_NOSIGNAL);
            (void)!recv(socket_, request + length, 1, 0);
            pthread_join(thread, NULL);
        } else if (what == 3) { /* refused */
            const char *bad = rand() % 2 ? "GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n" : "GET / HTTP/1.1\r\nHost : x\r\n\r\n";
            if (send(socket_, bad, strlen(bad), MSG_NOSIGNAL) < 0)
                judge_error();
        } else if (send(socket_, request, length, MSG_NOSIGNAL) != length) {
            judge_error();
        } else if (judge_answer(socket_, port == SILENT, user, &count->answered)) {
            for (int more = rand() % 4; more > 0; more--) {
                if (send(socket_, request, length, MSG_NOSIGNAL) != length) {
                    judge_error();
                    break;
                }
                if (!judge_answer(socket_, 0, user, &count->again))
                    break;
            }
        }
        close(socket_);
    }
    _exit(0);
}

static pid_t start_helper(const char *program)
{
    pid_t child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_RDWR);
        dup2(null, 1);
        dup2(null, 2);
        execl(program, program, NULL);
        _exit(1);
    }
    add(&count->helpers);
    return child;
}

static void end(pid_t child)
{
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    int seed = atoi(argv[2]), lives = 0;
    deadline = time(NULL) + atoi(argv[1]);
    count = shared_counters(sizeof(*count));
    srand(seed);
    pid_t helper = start_helper(argv[3]), agent = start(be_agent, 0, seed);
    for (int client = 0; client < CLIENTS; client++)
        start(be_client, client % (BINDINGS + 1), seed + 1 + client);
    while (!over()) {
        usleep(500000 + rand() % 2000000);
        end(agent);
        if (++lives % 4 == 0) {
            end(helper);
            helper = start_helper(argv[3]);
        }
        agent = start(be_agent, 0, ++seed);
    }
    kill(agent, SIGKILL);
    end(helper);
    while (wait(NULL) > 0)
        ;
    printf("wrong=%lu answered=%lu again=%lu refused=%lu malformed=%lu failed=%lu late=%lu absent=%lu broken=%lu ", count->wrong,
           count->answered, count->again, count->refused, count->malformed, count->failed, count->late, count->absent, count->broken);
    printf("untouched=%lu other=%lu commits=%lu secrets=%lu wipes=%lu agents=%lu helpers=%lu\n", count->untouched, count->other,
           count->commits, count->secrets, count->wipes, count->agents, count->helpers);
    return 0;
}
