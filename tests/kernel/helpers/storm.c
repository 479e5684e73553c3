// SPDX-License-Identifier: Apache-2.0
// storm SECONDS SEED MODULE: everything at once. An agent that commits, publishes, wipes, dies and comes back; readers
// of nine users that open, hold and read files at random; a root that unloads and loads the module between agents.
// Binding k (0 to 7) belongs to uid 2000 + k and its content is letters 'a' + k; nobody else may ever see such a letter.
// Prints one line of counters; "wrong" counts bytes that a reader must not have got and must be 0.
#define _GNU_SOURCE
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "storm.h"

#define BINDINGS 8
#define READERS 12
#define HELD 4
#define UUID "00000000-0000-4000-8000-000000000000"

struct counters {
    unsigned long wrong, right, refused, empty, expired, stale, gone, other;
    unsigned long commits, publishes, wipes, agents, killed, loads;
};

static struct counters *count;

static void commit_table(int device)
{
    struct riptides_begin begin = { .generation = seq };
    unsigned present = rand();
    begin.count = __builtin_popcount(present & ((1 << BINDINGS) - 1));
    head(&begin.header, RIPTIDES_BEGIN, sizeof(begin));
    if (write(device, &begin, sizeof(begin)) < 0)
        return;
    for (int binding = 0; binding < BINDINGS; binding++) {
        if (present & 1 << binding && stage_binding(device, binding, RIPTIDES_DELIVER_FILE) < 0)
            return;
    }
    struct riptides_commit commit = { .generation = begin.generation };
    head(&commit.header, RIPTIDES_COMMIT, sizeof(commit));
    if (write(device, &commit, sizeof(commit)) > 0)
        add(&count->commits);
}

static void publish(int device, int binding)
{
    union {
        struct riptides_credential fixed;
        unsigned char bytes[sizeof(struct riptides_credential) + RIPTIDES_CONTENT_MAX];
    } frame;
    size_t length = 1 + rand() % RIPTIDES_CONTENT_MAX;
    memset(&frame, 0, sizeof(frame.fixed));
    name_key(&frame.fixed.key, binding);
    frame.fixed.expires_at_ms = now_ms() + 20 + rand() % 800;
    memset(frame.bytes + sizeof(frame.fixed), 'a' + binding, length);
    head(&frame.fixed.header, RIPTIDES_CREDENTIAL, sizeof(frame.fixed) + length);
    if (write(device, &frame, sizeof(frame.fixed) + length) > 0)
        add(&count->publishes);
}

static void be_agent(int unused)
{
    static unsigned char reply[sizeof(struct riptides_header) + RIPTIDES_BLOB_MAX];
    int device = begin_session();
    (void)unused;
    add(&count->agents);
    while (!over()) {
        struct riptides_blob *blob = (struct riptides_blob *)reply;
        switch (rand() % 8) {
        case 0:
            commit_table(device);
            break;
        case 1:
            if (wipe(device, rand() % BINDINGS) > 0)
                add(&count->wipes);
            break;
        case 2:
            head(&blob->header, RIPTIDES_BLOB_PUT, 1000);
            (void)!write(device, blob, 1000);
            head(&blob->header, RIPTIDES_BLOB_GET, sizeof(blob->header));
            (void)!write(device, blob, sizeof(blob->header));
            break;
        case 3:
            while (read(device, reply, sizeof(reply)) > 0)
                ;
            break;
        default:
            publish(device, rand() % BINDINGS);
        }
    }
    _exit(0);
}

static void judge(int user, int binding, const char *bytes, ssize_t length)
{
    if (length < 0) {
        switch (errno) {
        case EACCES:
            return add(&count->refused);
        case ENODATA:
            return add(&count->empty);
        case EKEYEXPIRED:
            return add(&count->expired);
        case ESTALE:
            return add(&count->stale);
        case ENODEV:
            return add(&count->gone);
        default:
            return add(&count->other);
        }
    }
    for (ssize_t i = 0; i < length; i++)
        if (user != binding || bytes[i] != 'a' + binding)
            add(&count->wrong);
    add(&count->right);
}

static void be_reader(int user)
{
    char path[256], bytes[8192];
    int files[HELD], of[HELD];
    memset(files, -1, sizeof(files));
    become_user(user);
    while (!over()) {
        int slot = rand() % HELD;
        size_t piece = rand() % 2 ? RIPTIDES_CONTENT_MAX + 1 : 1 + rand() % 2000;
        if (files[slot] < 0 || rand() % 8 == 0) {
            if (files[slot] >= 0)
                close(files[slot]);
            of[slot] = rand() % 2 && user < BINDINGS ? user : rand() % BINDINGS;
            snprintf(path, sizeof(path), "/sys/module/riptides/credentials/" UUID "/crb-storm-%d/vault.json", of[slot]);
            files[slot] = open(path, O_RDONLY);
            if (files[slot] < 0)
                continue;
        }
        if (rand() % 2)
            lseek(files[slot], 0, SEEK_SET);
        errno = 0;
        ssize_t length = read(files[slot], bytes, piece);
        judge(user, of[slot], bytes, length);
        if (rand() % 64 == 0)
            poll(&(struct pollfd){ .fd = files[slot], .events = POLLPRI }, 1, 20);
    }
    _exit(0);
}

static void reload(const char *module)
{
    if (syscall(SYS_delete_module, "riptides", O_NONBLOCK) < 0)
        return;
    int file = open(module, O_RDONLY | O_CLOEXEC);
    if (syscall(SYS_finit_module, file, "", 0) < 0) {
        perror(module);
        exit(1);
    }
    close(file);
    add(&count->loads);
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    int seed = atoi(argv[2]), status;
    deadline = time(NULL) + atoi(argv[1]);
    count = shared_counters(sizeof(*count));
    srand(seed);
    for (int reader = 0; reader < READERS; reader++)
        start(be_reader, reader % (BINDINGS + 1), seed + reader);
    while (!over()) {
        pid_t agent = start(be_agent, 0, ++seed);
        usleep(50000 + rand() % 1500000);
        kill(agent, SIGKILL);
        waitpid(agent, &status, 0);
        if (WIFSIGNALED(status))
            add(&count->killed);
        if (rand() % 3 == 0)
            reload(argv[3]);
    }
    while (wait(&status) > 0)
        ;
    printf("wrong=%lu right=%lu refused=%lu empty=%lu expired=%lu stale=%lu gone=%lu other=%lu ", count->wrong, count->right,
           count->refused, count->empty, count->expired, count->stale, count->gone, count->other);
    printf("commits=%lu publishes=%lu wipes=%lu agents=%lu killed=%lu loads=%lu\n", count->commits, count->publishes, count->wipes,
           count->agents, count->killed, count->loads);
    return 0;
}
