// SPDX-License-Identifier: Apache-2.0
#include "wire.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/time.h>

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

static void do_timeout(int milliseconds)
{
    struct timeval time = { milliseconds / 1000, milliseconds % 1000 * 1000 };
    setsockopt(current, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
    printf("timeout %s\n", outcome(setsockopt(current, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time))));
}

int act_on_readiness(char *argument)
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
    else if (is(argument, "edge=", &value))
        do_edge(value);
    else
        return 0;
    return 1;
}
