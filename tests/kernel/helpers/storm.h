// SPDX-License-Identifier: Apache-2.0
// What storm.c and wirestorm.c have in common: processes that go on until a deadline, counters that they share, and an
// agent's frames. The binding k is that of the user FIRST_UID + k.
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>
#include "uapi/riptides.h"

#define FIRST_UID 2000

static time_t deadline;
static unsigned long long seq;

static int over(void)
{
    return time(NULL) >= deadline;
}

static void *shared_counters(size_t size)
{
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static void add(unsigned long *counter)
{
    __atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

static long long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static pid_t start(void (*work)(int), int argument, int seed)
{
    pid_t child = fork();
    if (child == 0) {
        srand(seed);
        work(argument);
    }
    return child;
}

static void become_user(int user)
{
    if (setgroups(0, NULL) || setresuid(FIRST_UID + user, FIRST_UID + user, FIRST_UID + user))
        _exit(1);
}

static void head(struct riptides_header *header, int type, size_t length)
{
    *header = (struct riptides_header){ .length = length, .type = type, .seq = ++seq };
}

static void name_key(struct riptides_key *key, int binding)
{
    memset(key, 0, sizeof(*key));
    key->workload[6] = 0x40;
    key->workload[8] = 0x80;
    snprintf(key->binding, sizeof(key->binding), "storm-%d", binding);
}

/* The device, after HELLO. */
static int begin_session(void)
{
    struct riptides_hello hello = { .abi = RIPTIDES_ABI, .agent_version = "storm" };
    int device = open(RIPTIDES_DEVICE, O_RDWR | O_NONBLOCK);
    head(&hello.header, RIPTIDES_HELLO, sizeof(hello));
    if (device < 0 || write(device, &hello, sizeof(hello)) < 0)
        _exit(1);
    return device;
}

/* A binding of the staged table, of its user alone. */
static int stage_binding(int device, int binding, int delivery)
{
    struct {
        struct riptides_binding fixed;
        struct riptides_facts facts;
    } frame = { .fixed = { .delivery = delivery }, .facts = { .mask = RIPTIDES_FACT_UID, .uid = FIRST_UID + binding } };
    name_key(&frame.fixed.key, binding);
    head(&frame.fixed.header, RIPTIDES_BINDING, sizeof(frame));
    return write(device, &frame, sizeof(frame));
}

static int wipe(int device, int binding)
{
    struct riptides_wipe frame = { 0 };
    name_key(&frame.key, binding);
    head(&frame.header, RIPTIDES_WIPE, sizeof(frame));
    return write(device, &frame, sizeof(frame));
}
