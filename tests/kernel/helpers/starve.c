// SPDX-License-Identifier: Apache-2.0
// starve UID PORT TARGET : a request on a new connection, again and again, as that user and with the n-th allocation of one call failing,
// for every n. Once for each of connect(), send() and recv(). Prints a line for each: how often an allocation failed, how many requests were
// answered, and the others by where and why they ended: `connect failed=9 served=4 connect.ENOBUFS=3 send.EPIPE=2`.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>
#include "nth.h"

#define ENDS_MAX 16

enum call { CONNECT, SEND, RECV, CALLS };

static const char *const names[CALLS] = { "connect", "send", "recv" };
static struct {
    char what[64];
    unsigned long count;
} ends[ENDS_MAX];

static bool ended(enum call call, const char *why)
{
    char what[64];
    int i = 0;
    snprintf(what, sizeof(what), "%s.%s", names[call], why);
    while (i < ENDS_MAX - 1 && *ends[i].what && strcmp(ends[i].what, what))
        i++;
    strcpy(ends[i].what, what);
    ends[i].count++;
    return false;
}

// One call, starved when it is its turn; its result.
static ssize_t starved(enum call call, enum call turn, int nth, bool *failed, int fd, void *bytes, size_t size)
{
    ssize_t result;
    if (call == turn)
        nth_arm(nth);
    result = call == CONNECT ? connect(fd, bytes, size)
             : call == SEND  ? send(fd, bytes, size, MSG_NOSIGNAL)
                             : recv(fd, bytes, size, 0);
    if (call == turn)
        *failed = nth_end();
    return result;
}

static bool is_served(int port, const char *target, enum call turn, int nth, bool *failed)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)
    };
    struct timeval longest = { .tv_sec = 20 };
    char text[4096];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool served;
    ssize_t got;

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &longest, sizeof(longest));
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &longest, sizeof(longest));
    int length = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n", target);
    *failed = false;
    if (starved(CONNECT, turn, nth, failed, fd, &address, sizeof(address)))
        served = ended(CONNECT, strerrorname_np(errno));
    else if (starved(SEND, turn, nth, failed, fd, text, length) != length)
        served = ended(SEND, strerrorname_np(errno));
    else if ((got = starved(RECV, turn, nth, failed, fd, text, sizeof(text) - 1)) < 0)
        served = ended(RECV, strerrorname_np(errno));
    else {
        text[got] = 0;
        served = strncmp(text, "HTTP/1.1 200", 12) ? ended(RECV, "odd") : true;
    }
    close(fd);
    return served;
}

static void starve(enum call turn, int port, const char *target)
{
    unsigned long failures = 0, served = 0;
    bool failed = true;

    memset(ends, 0, sizeof(ends));
    for (int nth = 1; failed; nth++) {
        served += is_served(port, target, turn, nth, &failed);
        failures += failed;
    }
    printf("%s failed=%lu served=%lu", names[turn], failures, served);
    for (int i = 0; i < ENDS_MAX && *ends[i].what; i++)
        printf(" %s=%lu", ends[i].what, ends[i].count);
    printf("\n");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: starve UID PORT TARGET\n");
        return 2;
    }
    // While it may still be opened.
    nth_open();
    if (setgroups(0, NULL) || setgid(atoi(argv[1])) || setuid(atoi(argv[1]))) {
        perror("starve");
        return 2;
    }
    for (enum call turn = 0; turn < CALLS; turn++)
        starve(turn, atoi(argv[2]), argv[3]);
    return 0;
}
