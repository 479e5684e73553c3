// SPDX-License-Identifier: Apache-2.0
#include "wire.h"
#include <linux/io_uring.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

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

int act_by_uring(char *argument)
{
    char *value;
    if (is(argument, "uring=", &value))
        do_uring(value);
    else if (is(argument, "uconnect=", &value))
        do_uconnect(value);
    else
        return 0;
    return 1;
}
