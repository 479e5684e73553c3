// SPDX-License-Identifier: Apache-2.0
// liar KIND: takes one request from /dev/riptides-tls and says that it is done, without a TLS 1.3 session in the kernel:
//   nothing   no TLS at all
//   tx        keys for sending only
//   tls12     keys of both directions, of TLS 1.2
//   twice     as nothing, and again with the same number
//   stranger  reports on a request of another number first
// Tells systemd when it has the device; prints what the module answers.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/tls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "uapi/riptides.h"
#include "ready.h"

#ifndef TCP_ULP
#define TCP_ULP 31
#endif
#ifndef SOL_TLS
#define SOL_TLS 282
#endif

static const char *outcome(long result)
{
    return result < 0 ? strerrorname_np(errno) : "ok";
}

static long install(int socket, int direction, int version)
{
    struct tls12_crypto_info_aes_gcm_128 keys = { .info = { version, TLS_CIPHER_AES_GCM_128 } };
    return setsockopt(socket, SOL_TLS, direction, &keys, sizeof(keys));
}

static void done(int device, __u64 id)
{
    struct riptides_handshake_result result = { .id = id };
    printf("done %s\n", outcome(ioctl(device, RIPTIDES_TLS_DONE, &result)));
}

int main(int argc, char **argv)
{
    struct riptides_handshake request;
    const char *kind = argc > 1 ? argv[1] : "";
    int device = open(RIPTIDES_TLS_DEVICE, O_RDWR);
    printf("device %s\n", outcome(device));
    if (device < 0)
        return 0;
    tell_ready();
    if (read(device, &request, sizeof(request)) != sizeof(request)) {
        printf("read %s\n", outcome(-1));
        return 1;
    }
    int socket = ioctl(device, RIPTIDES_TLS_ACCEPT, &request.id);
    printf("accept %s\n", outcome(socket));
    if (!strcmp(kind, "tx") || !strcmp(kind, "tls12")) {
        int version = strcmp(kind, "tx") ? TLS_1_2_VERSION : TLS_1_3_VERSION;
        printf("ulp %s\n", outcome(setsockopt(socket, IPPROTO_TCP, TCP_ULP, "tls", 4)));
        printf("tx %s\n", outcome(install(socket, TLS_TX, version)));
        if (strcmp(kind, "tx"))
            printf("rx %s\n", outcome(install(socket, TLS_RX, version)));
    }
    if (!strcmp(kind, "stranger"))
        done(device, request.id + 1);
    done(device, request.id);
    if (!strcmp(kind, "twice"))
        done(device, request.id);
    fflush(stdout);
    close(socket);
    /* The device stays open: its end would fail the handshake too. */
    pause();
    return 0;
}
