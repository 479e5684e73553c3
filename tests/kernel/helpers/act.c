// SPDX-License-Identifier: Apache-2.0
// A process that takes on an identity and reads a file, one action an argument, one output line each:
//   comm=NAME uid=N gid=N euid=N   name; real, effective and saved uid (gid); effective uid only
//   userns cgroupns                unshare() of that namespace
//   cgroup=PATH                    moves itself into a cgroup v2 directory (made if absent)
//   open=PATH                      the descriptor that the read actions use
//   read=SIZE[@OFFSET]             read(), or pread() at an offset
//   all=SIZE                       reads from 0 to the end in pieces
//   thread=NAME uring=SIZE splice  reads from a thread of that name, by an io_uring worker, by splice()
//   nth=SIZE                       reads with the n-th allocation failing, for every n (needs fault injection)
//   notify=MS                      waits for POLLPRI
//   dumpable redump                PR_GET_DUMPABLE, PR_SET_DUMPABLE 1
//   peek                           what a child of the same user can do to this process
//   child trace                    the rest runs in a child (traced by this process)
//   pause                          stops until SIGCONT
//   sh=COMMAND                     runs a shell command
//   children=N                     the rest runs in each of N children, one after another
//   loop=SIZE                      until SIGTERM: reads in pieces, checks that every content is of one letter only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#include "nth.h"

static int file = -1;
static char buffer[8192];

static const char *outcome(long result)
{
    return result < 0 ? strerrorname_np(errno) : "ok";
}

static void say_read(const char *action, ssize_t length)
{
    if (length < 0)
        printf("%s %s\n", action, strerrorname_np(errno));
    else
        printf("%s %zd %.*s\n", action, length, (int)length, buffer);
}

static void do_read(const char *argument)
{
    char *at = strchr(argument, '@');
    size_t size = strtoul(argument, NULL, 10);
    say_read("read", at ? pread(file, buffer, size, atol(at + 1)) : read(file, buffer, size));
}

/* Reads all in pieces; the length, or -1. */
static ssize_t read_all(size_t piece)
{
    size_t length = 0;
    ssize_t part;
    if (lseek(file, 0, SEEK_SET) < 0)
        return -1;
    while ((part = read(file, buffer + length, piece)) > 0)
        length += part;
    return part < 0 ? -1 : (ssize_t)length;
}

static void *thread_read(void *name)
{
    prctl(PR_SET_NAME, name);
    say_read("thread", pread(file, buffer, sizeof(buffer), 0));
    return NULL;
}

static void do_thread(char *name)
{
    pthread_t thread;
    pthread_create(&thread, NULL, thread_read, name);
    pthread_join(thread, NULL);
}

/* One read that io_uring must hand to a worker thread. */
static void do_uring(size_t size)
{
    struct io_uring_params params = { 0 };
    int ring = syscall(SYS_io_uring_setup, 4, &params);
    if (ring < 0) {
        printf("uring %s\n", outcome(-1));
        return;
    }
    char *sq = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
    char *cq = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
    struct io_uring_sqe *entry = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
    if (sq == MAP_FAILED || cq == MAP_FAILED || entry == MAP_FAILED) {
        printf("uring mmap %s\n", outcome(-1));
        return;
    }
    *entry = (struct io_uring_sqe){ .opcode = IORING_OP_READ, .flags = IOSQE_ASYNC, .fd = file, .addr = (unsigned long)buffer, .len = size };
    ((unsigned *)(sq + params.sq_off.array))[0] = 0;
    __atomic_store_n((unsigned *)(sq + params.sq_off.tail), 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0) {
        printf("uring enter %s\n", outcome(-1));
        return;
    }
    int result = ((struct io_uring_cqe *)(cq + params.cq_off.cqes))[0].res;
    errno = -result;
    say_read("uring", result < 0 ? -1 : result);
    close(ring);
}

static void do_splice(void)
{
    int ends[2];
    loff_t from = 0;
    if (pipe(ends) < 0 || splice(file, &from, ends[1], NULL, 4096, 0) < 0)
        say_read("splice", -1);
    else
        say_read("splice", read(ends[0], buffer, sizeof(buffer)));
}

static void do_nth(size_t size)
{
    unsigned long failed = 0, refused = 0, whole = 0, other = 0;
    bool has_failed = true;
    nth_open();
    for (int nth = 1; has_failed; nth++) {
        nth_arm(nth);
        ssize_t length = pread(file, buffer, size, 0);
        has_failed = nth_end();
        failed += has_failed;
        *(length > 0 ? &whole : errno == ENOMEM || errno == EACCES ? &refused : &other) += 1;
    }
    printf("nth failed=%lu refused=%lu whole=%lu other=%lu\n", failed, refused, whole, other);
}

static void do_notify(int timeout)
{
    struct pollfd poller = { .fd = file, .events = POLLPRI };
    int ready = poll(&poller, 1, timeout);
    printf("notify %d\n", ready);
}

static void do_cgroup(const char *path)
{
    char name[PATH_MAX];
    mkdir(path, 0755);
    snprintf(name, sizeof(name), "%s/cgroup.procs", path);
    int procs = open(name, O_WRONLY);
    printf("cgroup %s\n", outcome(procs < 0 ? -1 : write(procs, "0", 1)));
    close(procs);
}

static void do_peek(void)
{
    static char seen[16];
    pid_t target = getpid();
    prctl(PR_SET_PTRACER, PR_SET_PTRACER_ANY);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        char path[64];
        struct iovec here = { seen, sizeof(seen) }, there = { buffer, sizeof(seen) };
        snprintf(path, sizeof(path), "/proc/%d/mem", target);
        printf("peek mem=%s", outcome(open(path, O_RDONLY)));
        printf(" readv=%s", outcome(process_vm_readv(target, &here, 1, &there, 1, 0)));
        printf(" ptrace=%s\n", outcome(ptrace(PTRACE_SEIZE, target, NULL, NULL)));
        fflush(stdout);
        _exit(0);
    }
    waitpid(child, NULL, 0);
}

/* The parent waits and ends with the child; the child goes on. */
static void become_child(int traced)
{
    int status = 0;
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        if (traced)
            printf("trace %s\n", outcome(ptrace(PTRACE_TRACEME, 0, NULL, NULL)));
        return;
    }
    while (waitpid(child, &status, 0) == child && WIFSTOPPED(status))
        ptrace(PTRACE_CONT, child, NULL, (void *)(long)WSTOPSIG(status));
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static void become_children(int count)
{
    fflush(stdout);
    while (count-- > 0) {
        pid_t child = fork();
        if (child == 0)
            return;
        waitpid(child, NULL, 0);
    }
    exit(0);
}

static volatile sig_atomic_t ended;

static void end_loop(int signal)
{
    ended = signal;
}

static void do_loop(size_t piece)
{
    unsigned long whole = 0, stale = 0, mixed = 0, gone = 0, other = 0, changes = 0;
    char last = 0;
    signal(SIGTERM, end_loop);
    printf("loop begins\n");
    fflush(stdout);
    while (!ended) {
        ssize_t length = read_all(piece);
        if (length < 0) {
            *(errno == ESTALE ? &stale : errno == ENODEV ? &gone : &other) += 1;
            continue;
        }
        char letter = length ? buffer[0] : 0;
        size_t expected = 1000 + (unsigned char)letter;
        for (ssize_t i = 0; i < length; i++)
            if (buffer[i] != letter)
                length = -1;
        *((size_t)length == expected ? &whole : &mixed) += 1;
        changes += letter != last;
        last = letter;
    }
    printf("loop whole=%lu stale=%lu mixed=%lu gone=%lu other=%lu changes=%lu\n", whole, stale, mixed, gone, other, changes);
}

static int is(const char *argument, const char *name, char **value)
{
    size_t length = strlen(name);
    if (strncmp(argument, name, length))
        return 0;
    *value = (char *)argument + length;
    return 1;
}

static void act(const char *argument)
{
    char *value;
    if (is(argument, "comm=", &value))
        printf("comm %s\n", outcome(prctl(PR_SET_NAME, value)));
    else if (is(argument, "uid=", &value))
        printf("uid %s\n", outcome(setgroups(0, NULL) < 0 ? -1 : setresuid(atoi(value), atoi(value), atoi(value))));
    else if (is(argument, "euid=", &value))
        printf("euid %s\n", outcome(seteuid(atoi(value))));
    else if (is(argument, "gid=", &value))
        printf("gid %s\n", outcome(setresgid(atoi(value), atoi(value), atoi(value))));
    else if (!strcmp(argument, "userns"))
        printf("userns %s\n", outcome(unshare(CLONE_NEWUSER)));
    else if (!strcmp(argument, "cgroupns"))
        printf("cgroupns %s\n", outcome(unshare(CLONE_NEWCGROUP)));
    else if (is(argument, "cgroup=", &value))
        do_cgroup(value);
    else if (is(argument, "open=", &value))
        printf("open %s\n", outcome(file = open(value, O_RDONLY)));
    else if (is(argument, "read=", &value))
        do_read(value);
    else if (is(argument, "all=", &value))
        say_read("all", read_all(atoi(value)));
    else if (is(argument, "thread=", &value))
        do_thread(value);
    else if (is(argument, "uring=", &value))
        do_uring(atoi(value));
    else if (!strcmp(argument, "splice"))
        do_splice();
    else if (is(argument, "nth=", &value))
        do_nth(atoi(value));
    else if (is(argument, "notify=", &value))
        do_notify(atoi(value));
    else if (!strcmp(argument, "dumpable"))
        printf("dumpable %d\n", prctl(PR_GET_DUMPABLE));
    else if (!strcmp(argument, "redump"))
        printf("redump %s\n", outcome(prctl(PR_SET_DUMPABLE, 1)));
    else if (!strcmp(argument, "peek"))
        do_peek();
    else if (!strcmp(argument, "child"))
        become_child(0);
    else if (!strcmp(argument, "trace"))
        become_child(1);
    else if (is(argument, "children=", &value))
        become_children(atoi(value));
    else if (!strcmp(argument, "pause"))
        raise(SIGSTOP);
    else if (is(argument, "loop=", &value))
        do_loop(atoi(value));
    else if (is(argument, "sh=", &value)) {
        fflush(stdout);
        printf("sh %d\n", WEXITSTATUS(system(value)));
    } else {
        printf("unknown action %s\n", argument);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        act(argv[i]);
    fflush(stdout);
    return 0;
}
