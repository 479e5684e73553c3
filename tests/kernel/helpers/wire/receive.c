// SPDX-License-Identifier: Apache-2.0
#include "wire.h"
#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

static pthread_t thread;
static int reader_result;

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

static void do_join(void)
{
    pthread_join(thread, NULL);
    errno = -reader_result;
    say_bytes("join", reader_result < 0 ? -1 : reader_result, buffer);
}

int act_by_receiving(char *argument)
{
    char *value;
    if (is(argument, "spliceout=", &value))
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
    else
        return 0;
    return 1;
}
