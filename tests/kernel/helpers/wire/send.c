// SPDX-License-Identifier: Apache-2.0
#include "wire.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

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

int act_by_sending(char *argument)
{
    char *value;
    if (is(argument, "send=", &value)) {
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
    else if (is(argument, "sendfile=", &value))
        do_sendfile(atoi(value));
    else if (is(argument, "splice=", &value))
        do_splice(atoi(value));
    else if (is(argument, "writers=", &value))
        do_writers(atoi(value));
    else
        return 0;
    return 1;
}
