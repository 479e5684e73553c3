// SPDX-License-Identifier: Apache-2.0
// A process with connections, one action an argument, one output line each. TEXT knows \r \n \0 \\ and \xHH.
//   uid=N comm=NAME userns         takes on an identity
//   dumpable                       can be traced and dumped, as a process that was started with its user
//   child pass                     the rest runs in a child; with pass it gets the socket by SCM_RIGHTS
//   socket=KIND                    for the next connect: tcp (default), tcp6, mptcp, fastopen (TCP_FASTOPEN_CONNECT)
//   connect=PORT[@ADDRESS]         a new connection, which the next actions use; use=N goes back to the N-th
//   uconnect=PORT                  the same by a worker of io_uring
//   nonblock timeout=MS            O_NONBLOCK; SO_RCVTIMEO and SO_SNDTIMEO
//   send=TEXT bytes=TEXT           one send(); a send() for every byte
//   fill=N chunks=N,SIZE           sends N letters 'x'; N chunks of SIZE letters and the last chunk
//   head=N                         a GET whose head has N bytes
//   open=TEXT zerocopy=TEXT        sendto(MSG_FASTOPEN) on a new socket; send(MSG_ZEROCOPY)
//   uring=KIND:TEXT                the same by io_uring: plain, async, sqpoll or zc
//   sendfile=N splice=N            N letters 'x' from a file; through a pipe
//   recv=N peek=N waitall=N        one recv(): the count and, of few, the bytes
//   answer                         one HTTP answer: status and body, or its length when it is long
//   drain                          to the end: the count
//   spliceout=N                    N bytes into a pipe
//   reader                         a thread that receives; joined by join
//   writers=N                      N threads that ask /thread/<i> on the one socket, one after the other's answer
//   poll=MS await=in|out|pri       what is ready; waits for it, at most 20 s
//   edge=TEXT                      sends byte by byte and receives by edge-triggered epoll
//   error                          SO_ERROR
//   shut=wr|rd|rdwr close reset    shutdown(); close(); close with SO_LINGER 0
//   setopt=LEVEL,NAME,HEX getopt=LEVEL,NAME,SIZE
//   state                          getsockopt(SOL_RIPTIDES)
//   say=PATH wait=PATH             writes into a FIFO; reads from it
//   scan=TEXT                      how often this process's memory holds the text that reads backwards so
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "uapi/riptides.h"

#define SHOWN 2048
#define CONNECTIONS 16

static int connections[CONNECTIONS], connection_count, current = -1;
static const char *kind = "tcp";
static char buffer[1 << 20];
static pthread_t thread;

static const char *outcome(long result)
{
    return result < 0 ? strerrorname_np(errno) : "ok";
}

static void say_count(const char *action, ssize_t count)
{
    if (count < 0)
        printf("%s %s\n", action, outcome(-1));
    else
        printf("%s %zd\n", action, count);
}

static void say_bytes(const char *action, ssize_t count, const char *bytes)
{
    if (count <= 0 || count > SHOWN)
        return say_count(action, count);
    printf("%s %zd ", action, count);
    for (ssize_t i = 0; i < count; i++)
        printf(bytes[i] == '\r' ? "\\r" : bytes[i] == '\n' ? "\\n" : "%c", bytes[i]);
    printf("\n");
}

/* Undoes the escapes in place; the length. */
static size_t text(char *escaped)
{
    char *from = escaped, *to = escaped;
    while (*from) {
        if (*from != '\\') {
            *to++ = *from++;
            continue;
        }
        from++;
        switch (*from++) {
        case 'r': *to++ = '\r'; break;
        case 'n': *to++ = '\n'; break;
        case '0': *to++ = '\0'; break;
        case 'x': *to++ = strtoul((char[]){ from[0], from[1], 0 }, NULL, 16); from += 2; break;
        default: *to++ = from[-1];
        }
    }
    return to - escaped;
}

static socklen_t address_of(char *argument, struct sockaddr_storage *address)
{
    char *at = strchr(argument, '@');
    const char *host = at ? at + 1 : strcmp(kind, "tcp6") ? "127.0.0.1" : "::1";
    struct sockaddr_in *four = (struct sockaddr_in *)address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
    memset(address, 0, sizeof(*address));
    if (!strcmp(kind, "tcp6")) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(atoi(argument));
        inet_pton(AF_INET6, host, &six->sin6_addr);
        return sizeof(*six);
    }
    four->sin_family = AF_INET;
    four->sin_port = htons(atoi(argument));
    inet_pton(AF_INET, host, &four->sin_addr);
    return sizeof(*four);
}

static void new_socket(void)
{
    int one = 1, protocol = strcmp(kind, "mptcp") ? 0 : IPPROTO_MPTCP;
    current = socket(strcmp(kind, "tcp6") ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, protocol);
    if (current >= 0)
        connections[connection_count++ % CONNECTIONS] = current;
    if (!strcmp(kind, "fastopen"))
        setsockopt(current, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one));
}

static void do_connect(char *argument)
{
    struct sockaddr_storage address;
    socklen_t length = address_of(argument, &address);
    new_socket();
    printf("connect %s\n", outcome(connect(current, (struct sockaddr *)&address, length)));
}

/* Like do_connect, with the first bytes in it; the port is 8443. */
static void do_open(char *argument)
{
    struct sockaddr_storage address;
    socklen_t length = address_of((char[]){ "8443" }, &address);
    size_t size = text(argument);
    new_socket();
    say_count("open", sendto(current, argument, size, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&address, length));
}

/* All of it, in as many calls as it takes; -1 at the first error. */
static ssize_t send_all(const char *bytes, size_t size)
{
    size_t sent = 0;
    while (sent < size) {
        ssize_t count = send(current, bytes + sent, size - sent, MSG_NOSIGNAL);
        if (count < 0)
            return -1;
        sent += count;
    }
    return sent;
}

static ssize_t send_filled(size_t size)
{
    size_t sent = 0;
    memset(buffer, 'x', sizeof(buffer));
    while (sent < size) {
        size_t piece = size - sent < sizeof(buffer) ? size - sent : sizeof(buffer);
        if (send_all(buffer, piece) < 0)
            return -1;
        sent += piece;
    }
    return sent;
}

static void do_bytes(char *argument)
{
    size_t size = text(argument), sent = 0;
    while (sent < size && send(current, argument + sent, 1, MSG_NOSIGNAL) == 1)
        sent++;
    say_count("bytes", sent == size ? (ssize_t)sent : -1);
}

static void do_chunks(const char *argument)
{
    size_t count = atoi(argument), size = atoi(strchr(argument, ',') + 1), sent = 0;
    char head[32];
    for (; sent < count; sent++) {
        int length = snprintf(head, sizeof(head), "%zx\r\n", size);
        if (send_all(head, length) < 0 || send_filled(size) < 0 || send_all("\r\n", 2) < 0)
            break;
    }
    say_count("chunks", sent == count ? send_all("0\r\n\r\n", 5) : -1);
}

static void do_head(size_t size)
{
    int length = snprintf(buffer, sizeof(buffer), "GET /head HTTP/1.1\r\nHost: api.test\r\nX: ");
    memset(buffer + length, 'x', size - length - 4);
    memcpy(buffer + size - 4, "\r\n\r\n", 4);
    say_count("head", send_all(buffer, size));
}

/* One operation by io_uring; its result. */
static long submit(struct io_uring_sqe operation, int polled)
{
    struct io_uring_params params = { .flags = polled ? IORING_SETUP_SQPOLL : 0, .sq_thread_idle = 1000 };
    int ring = syscall(SYS_io_uring_setup, 4, &params);
    if (ring < 0)
        return -1;
    char *sq = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    char *cq = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
    struct io_uring_sqe *entry = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
    *entry = operation;
    ((unsigned *)(sq + params.sq_off.array))[0] = 0;
    __atomic_store_n((unsigned *)(sq + params.sq_off.tail), 1, __ATOMIC_SEQ_CST);
    unsigned flags = IORING_ENTER_GETEVENTS | (polled ? IORING_ENTER_SQ_WAKEUP : 0);
    if (syscall(SYS_io_uring_enter, ring, 1, 1, flags, NULL, 0) < 0)
        return -1;
    int result = ((struct io_uring_cqe *)(cq + params.cq_off.cqes))[0].res;
    errno = -result;
    close(ring);
    return result < 0 ? -1 : result;
}

static void do_uring(char *argument)
{
    char *bytes = strchr(argument, ':');
    *bytes++ = 0;
    struct io_uring_sqe send = {
        .opcode = strcmp(argument, "zc") ? IORING_OP_SEND : IORING_OP_SEND_ZC,
        .flags = strcmp(argument, "async") ? 0 : IOSQE_ASYNC,
        .fd = current,
        .addr = (unsigned long)bytes,
        .len = text(bytes),
        .msg_flags = MSG_NOSIGNAL,
    };
    say_count("uring", submit(send, !strcmp(argument, "sqpoll")));
}

static void do_uconnect(char *argument)
{
    struct sockaddr_storage address;
    socklen_t length = address_of(argument, &address);
    new_socket();
    struct io_uring_sqe connect = {
        .opcode = IORING_OP_CONNECT,
        .flags = IOSQE_ASYNC,
        .fd = current,
        .addr = (unsigned long)&address,
        .off = length,
    };
    printf("uconnect %s\n", outcome(submit(connect, 0)));
}

static void do_sendfile(size_t size)
{
    int file = memfd_create("body", 0);
    memset(buffer, 'x', sizeof(buffer));
    for (size_t left = size; left > 0;)
        left -= write(file, buffer, left < sizeof(buffer) ? left : sizeof(buffer));
    off_t from = 0;
    ssize_t count = 0;
    while ((size_t)from < size && (count = sendfile(current, file, &from, size - from)) > 0)
        ;
    say_count("sendfile", count < 0 ? -1 : from);
    close(file);
}

static void do_splice(size_t size)
{
    int ends[2];
    size_t sent = 0;
    ssize_t count = pipe(ends);
    memset(buffer, 'x', 4096);
    while (count >= 0 && sent < size) {
        count = write(ends[1], buffer, size - sent < 4096 ? size - sent : 4096);
        count = splice(ends[0], NULL, current, NULL, count, 0);
        sent += count > 0 ? count : 0;
    }
    say_count("splice", count < 0 ? -1 : (ssize_t)sent);
}

static void do_spliceout(size_t size)
{
    int ends[2];
    size_t got = 0;
    ssize_t count = pipe(ends);
    while (count >= 0 && got < size) {
        count = splice(current, NULL, ends[1], NULL, size - got, 0);
        if (count <= 0)
            break;
        got += count;
        if (read(ends[0], buffer, count) != count)
            break;
    }
    say_count("spliceout", count < 0 ? -1 : (ssize_t)got);
}

static void receive(const char *action, size_t size, int flags)
{
    ssize_t count = recv(current, buffer, size, flags);
    say_bytes(action, count, buffer);
}

/* Reads one answer; what is printed is its status and body. */
static void do_answer(void)
{
    size_t got = 0, head = 0, body = 0;
    while (!head || got < head + body) {
        ssize_t count = recv(current, buffer + got, head ? head + body - got : 1, 0);
        if (count <= 0) {
            printf("answer %s\n", count ? outcome(-1) : "end");
            return;
        }
        got += count;
        if (!head && got > 4 && !memcmp(buffer + got - 4, "\r\n\r\n", 4)) {
            buffer[got] = 0;
            char *length = strcasestr(buffer, "content-length: ");
            body = length ? atoi(length + 16) : 0;
            if (!strncmp(buffer, "HTTP/1.1 100", 12)) {
                got = 0;
                continue;
            }
            head = got;
            if (head + body > sizeof(buffer)) {
                size_t left = body;
                while (left > 0 && (count = recv(current, buffer, left < sizeof(buffer) ? left : sizeof(buffer), 0)) > 0)
                    left -= count;
                printf("answer %.3s %zu bytes\n", "200", body - left);
                return;
            }
        }
    }
    printf("answer %.3s %.*s\n", buffer + 9, (int)body, buffer + head);
}

static void do_drain(void)
{
    size_t got = 0;
    ssize_t count;
    while ((count = recv(current, buffer, sizeof(buffer), 0)) > 0)
        got += count;
    if (count < 0)
        printf("drain %zu %s\n", got, outcome(-1));
    else
        printf("drain %zu end\n", got);
}

static void *reader(void *result)
{
    ssize_t count = recv(current, buffer, 12, 0);
    *(int *)result = count < 0 ? -errno : (int)count;
    return NULL;
}

static int reader_result;

static void do_join(void)
{
    pthread_join(thread, NULL);
    errno = -reader_result;
    say_bytes("join", reader_result < 0 ? -1 : reader_result, buffer);
}

/* Each thread sends one request with one send(); the answers are counted. */
static void *writer(void *index)
{
    char request[128];
    int length = snprintf(request, sizeof(request), "GET /thread/%ld HTTP/1.1\r\nHost: api.test\r\n\r\n", (long)index);
    return (void *)(long)(send(current, request, length, MSG_NOSIGNAL) == length);
}

static void do_writers(long count)
{
    pthread_t threads[64];
    long sent = 0;
    for (long i = 0; i < count; i++)
        pthread_create(&threads[i], NULL, writer, (void *)i);
    for (long i = 0; i < count; i++) {
        void *one;
        pthread_join(threads[i], &one);
        sent += (long)one;
    }
    printf("writers %ld\n", sent);
}

static void say_ready(const char *action, short events, int timeout)
{
    struct pollfd poller = { .fd = current, .events = events };
    int ready = poll(&poller, 1, timeout);
    printf("%s%s%s%s%s%s\n", action, ready == 0 ? " nothing" : "", poller.revents & POLLIN ? " in" : "",
           poller.revents & POLLOUT ? " out" : "", poller.revents & POLLERR ? " err" : "",
           poller.revents & POLLHUP ? " hup" : "");
}

static void do_edge(char *argument)
{
    size_t size = text(argument), sent = 0, got = 0;
    int epoll = epoll_create1(0);
    struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
    fcntl(current, F_SETFL, O_NONBLOCK);
    epoll_ctl(epoll, EPOLL_CTL_ADD, current, &event);
    while (got == 0 && epoll_wait(epoll, &event, 1, 20000) == 1) {
        ssize_t count = 0;
        while (sent < size && (count = send(current, argument + sent, 1, MSG_NOSIGNAL)) == 1)
            sent++;
        if (count < 0 && errno != EAGAIN)
            break;
        count = recv(current, buffer, 12, 0);
        if (count > 0)
            got = count;
        else if (count == 0 || errno != EAGAIN)
            break;
    }
    say_bytes("edge", got ? (ssize_t)got : -1, buffer);
    fcntl(current, F_SETFL, 0);
}

static void become_child(int pass)
{
    int ends[2], status = 0;
    struct iovec one = { "x", 1 };
    char space[CMSG_SPACE(sizeof(int))] = { 0 };
    struct msghdr message = { .msg_iov = &one, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space) };
    char byte;
    fflush(stdout);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) < 0)
        exit(2);
    pid_t child = fork();
    if (child == 0) {
        if (!pass)
            return;
        close(current);
        one.iov_base = &byte;
        if (recvmsg(ends[1], &message, 0) != 1 || !CMSG_FIRSTHDR(&message))
            exit(2);
        memcpy(&current, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(current));
        return;
    }
    if (pass) {
        struct cmsghdr *control = CMSG_FIRSTHDR(&message);
        *control = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int)) };
        memcpy(CMSG_DATA(control), &current, sizeof(current));
        sendmsg(ends[0], &message, 0);
        close(current);
    }
    waitpid(child, &status, 0);
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static void do_setopt(char *argument)
{
    char *name = strchr(argument, ',') + 1, *hex = strchr(name, ',') + 1;
    socklen_t length = 0;
    for (; hex[0] && hex[1]; hex += 2)
        buffer[length++] = strtoul((char[]){ hex[0], hex[1], 0 }, NULL, 16);
    printf("setopt %s\n", outcome(setsockopt(current, atoi(argument), atoi(name), buffer, length)));
}

static void do_getopt(char *argument)
{
    char *name = strchr(argument, ',') + 1;
    socklen_t length = atoi(strchr(name, ',') + 1);
    /* The kernel wants the cipher in what it is to fill. */
    struct { unsigned short version, cipher; } *info = (void *)buffer;
    info->version = 0x304;
    info->cipher = length == 56 ? 52 : 51;
    printf("getopt %s\n", outcome(getsockopt(current, atoi(argument), atoi(name), buffer, &length)));
}

static void do_state(void)
{
    static const char *const names[] = { "first", "collect", "handshake", "open", "pass", "fail" };
    struct riptides_so_state state = { 0 };
    socklen_t length = sizeof(state);
    if (getsockopt(current, SOL_RIPTIDES, RIPTIDES_SO_STATE, &state, &length) < 0)
        return say_count("state", -1);
    printf("state %s error=%s requests=%llu injections=%llu host=%s\n", names[state.state % 6],
           state.error ? strerrorname_np(-state.error) : "none", (unsigned long long)state.requests,
           (unsigned long long)state.injections, state.host);
}

static void do_error(void)
{
    int error = 0;
    socklen_t length = sizeof(error);
    getsockopt(current, SOL_SOCKET, SO_ERROR, &error, &length);
    printf("error %s\n", error ? strerrorname_np(error) : "none");
}

static void do_close(int reset)
{
    struct linger linger = { 1, 0 };
    if (reset)
        setsockopt(current, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    printf("%s %s\n", reset ? "reset" : "close", outcome(close(current)));
}

static void do_timeout(int milliseconds)
{
    struct timeval time = { milliseconds / 1000, milliseconds % 1000 * 1000 };
    setsockopt(current, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
    printf("timeout %s\n", outcome(setsockopt(current, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time))));
}

static void do_fifo(const char *action, const char *path, int flags)
{
    int fifo = open(path, flags);
    ssize_t count = flags == O_RDONLY ? read(fifo, buffer, 1) : write(fifo, "x", 1);
    printf("%s %s\n", action, outcome(count));
    close(fifo);
}

/* The needle is never put together in memory: its letters are compared from the end of the reversed text. */
static size_t scan_range(int memory, unsigned long from, unsigned long to, const char *reversed)
{
    static char piece[65536];
    size_t length = strlen(reversed), found = 0;
    for (unsigned long at = from; at + length <= to; at += sizeof(piece) - length) {
        ssize_t count = pread(memory, piece, to - at < sizeof(piece) ? to - at : sizeof(piece), at);
        for (ssize_t i = 0; i + (ssize_t)length <= count; i++) {
            size_t same = 0;
            while (same < length && piece[i + same] == reversed[length - 1 - same])
                same++;
            found += same == length;
        }
    }
    return found;
}

static void do_scan(const char *reversed)
{
    /* After setuid() the process is not dumpable, and its files in /proc are root's. */
    prctl(PR_SET_DUMPABLE, 1);
    FILE *maps = fopen("/proc/self/maps", "r");
    int memory = open("/proc/self/mem", O_RDONLY);
    size_t found = 0;
    char line[512], access[5];
    unsigned long from, to;
    while (fgets(line, sizeof(line), maps))
        if (sscanf(line, "%lx-%lx %4s", &from, &to, access) == 3 && access[0] == 'r' && !strstr(line, "[v"))
            found += scan_range(memory, from, to, reversed);
    if (memory < 0)
        say_count("scan", -1);
    else
        printf("scan %zu\n", found);
    fclose(maps);
}

static int is(char *argument, const char *name, char **value)
{
    size_t length = strlen(name);
    *value = argument + length;
    return !strncmp(argument, name, length);
}

static void act_on_identity(char *argument)
{
    char *value;
    if (is(argument, "uid=", &value))
        printf("uid %s\n", outcome(setgroups(0, NULL) < 0 ? -1 : setresuid(atoi(value), atoi(value), atoi(value))));
    else if (is(argument, "comm=", &value))
        printf("comm %s\n", outcome(prctl(PR_SET_NAME, value)));
    else if (!strcmp(argument, "dumpable"))
        printf("dumpable %s\n", outcome(prctl(PR_SET_DUMPABLE, 1)));
    else if (!strcmp(argument, "userns"))
        printf("userns %s\n", outcome(unshare(CLONE_NEWUSER)));
    else if (!strcmp(argument, "child") || !strcmp(argument, "pass"))
        become_child(argument[0] == 'p');
    else {
        printf("unknown %s\n", argument);
        exit(2);
    }
}

static void act_on_socket(char *argument)
{
    char *value;
    if (is(argument, "poll=", &value))
        say_ready("poll", POLLIN | POLLOUT, atoi(value));
    else if (is(argument, "await=", &value))
        say_ready("await", value[0] == 'i' ? POLLIN : value[0] == 'o' ? POLLOUT : POLLPRI, 20000);
    else if (!strcmp(argument, "nonblock"))
        printf("nonblock %s\n", outcome(fcntl(current, F_SETFL, O_NONBLOCK)));
    else if (!strcmp(argument, "block"))
        printf("block %s\n", outcome(fcntl(current, F_SETFL, 0)));
    else if (is(argument, "timeout=", &value))
        do_timeout(atoi(value));
    else if (is(argument, "shut=", &value))
        printf("shut %s\n", outcome(shutdown(current, !strcmp(value, "wr") ? SHUT_WR : !strcmp(value, "rd") ? SHUT_RD : SHUT_RDWR)));
    else if (!strcmp(argument, "close") || !strcmp(argument, "reset"))
        do_close(argument[0] == 'r');
    else if (is(argument, "setopt=", &value))
        do_setopt(value);
    else if (is(argument, "getopt=", &value))
        do_getopt(value);
    else if (!strcmp(argument, "state"))
        do_state();
    else if (!strcmp(argument, "error"))
        do_error();
    else if (is(argument, "say=", &value))
        do_fifo("say", value, O_WRONLY);
    else if (is(argument, "wait=", &value))
        do_fifo("wait", value, O_RDONLY);
    else if (is(argument, "scan=", &value))
        do_scan(value);
    else
        act_on_identity(argument);
}

static void act(char *argument)
{
    char *value;
    if (is(argument, "socket=", &value)) {
        kind = value;
        printf("socket ok\n");
    } else if (is(argument, "use=", &value)) {
        current = connections[atoi(value)];
        printf("use ok\n");
    } else if (is(argument, "connect=", &value))
        do_connect(value);
    else if (is(argument, "open=", &value))
        do_open(value);
    else if (is(argument, "send=", &value)) {
        size_t size = text(value);
        say_count("send", send(current, value, size, MSG_NOSIGNAL));
    } else if (is(argument, "zerocopy=", &value)) {
        size_t size = text(value);
        say_count("zerocopy", send(current, value, size, MSG_NOSIGNAL | MSG_ZEROCOPY));
    } else if (is(argument, "bytes=", &value))
        do_bytes(value);
    else if (is(argument, "fill=", &value))
        say_count("fill", send_filled(atoi(value)));
    else if (is(argument, "chunks=", &value))
        do_chunks(value);
    else if (is(argument, "head=", &value))
        do_head(atoi(value));
    else if (is(argument, "uring=", &value))
        do_uring(value);
    else if (is(argument, "uconnect=", &value))
        do_uconnect(value);
    else if (is(argument, "sendfile=", &value))
        do_sendfile(atoi(value));
    else if (is(argument, "splice=", &value))
        do_splice(atoi(value));
    else if (is(argument, "spliceout=", &value))
        do_spliceout(atoi(value));
    else if (is(argument, "recv=", &value))
        receive("recv", atoi(value), 0);
    else if (is(argument, "peek=", &value))
        receive("peek", atoi(value), MSG_PEEK);
    else if (is(argument, "waitall=", &value))
        receive("waitall", atoi(value), MSG_WAITALL);
    else if (!strcmp(argument, "answer"))
        do_answer();
    else if (!strcmp(argument, "drain"))
        do_drain();
    else if (!strcmp(argument, "reader"))
        printf("reader %s\n", outcome(-pthread_create(&thread, NULL, reader, &reader_result)));
    else if (!strcmp(argument, "join"))
        do_join();
    else if (is(argument, "writers=", &value))
        do_writers(atoi(value));
    else if (is(argument, "edge=", &value))
        do_edge(value);
    else
        act_on_socket(argument);
}

int main(int argc, char **argv)
{
    signal(SIGPIPE, SIG_IGN);
    /* What was done is shown even when the rest hangs and is ended. */
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 1; i < argc; i++)
        act(argv[i]);
    fflush(stdout);
    return 0;
}
