// SPDX-License-Identifier: Apache-2.0
// capture FIRST LAST: takes from lo every TCP payload with a port from FIRST to LAST, and prints them at SIGTERM: how many
// bytes and packets they were, then all in hex. Tells systemd when it listens.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ready.h"

static unsigned char packet[1 << 17], *kept;
static size_t length, packets;
static volatile sig_atomic_t ended;

static void end(int signal)
{
    ended = signal;
}

static void keep(const unsigned char *bytes, size_t size)
{
    kept = realloc(kept, length + size);
    memcpy(kept + length, bytes, size);
    length += size;
    packets++;
}

static void look(size_t size, int first, int last)
{
    size_t network = sizeof(struct ether_header), transport = network + sizeof(struct ip6_hdr);
    const struct iphdr *four = (void *)(packet + network);
    if (four->version == 4)
        transport = network + four->ihl * 4;
    const struct tcphdr *tcp = (void *)(packet + transport);
    size_t payload = transport + tcp->doff * 4;
    int from = ntohs(tcp->source), to = ntohs(tcp->dest);
    if (payload < size && ((from >= first && from <= last) || (to >= first && to <= last)))
        keep(packet + payload, size - payload);
}

int main(int argc, char **argv)
{
    sigset_t none = { 0 }, term = { 0 };
    int socket_buffer = 1 << 26, packets_socket = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
    struct sockaddr_ll lo = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = if_nametoindex("lo") };
    setsockopt(packets_socket, SOL_SOCKET, SO_RCVBUFFORCE, &socket_buffer, sizeof(socket_buffer));
    if (argc != 3 || bind(packets_socket, (struct sockaddr *)&lo, sizeof(lo)) < 0) {
        perror("capture");
        return 1;
    }
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
    sigaction(SIGTERM, &(struct sigaction){ .sa_handler = end }, NULL);
    tell_ready();
    while (!ended) {
        ppoll(&(struct pollfd){ .fd = packets_socket, .events = POLLIN }, 1, NULL, &none);
        struct sockaddr_ll from;
        socklen_t size = sizeof(from);
        ssize_t count;
        while ((count = recvfrom(packets_socket, packet, sizeof(packet), MSG_DONTWAIT, (struct sockaddr *)&from, &size)) > 0)
            if (from.sll_pkttype == PACKET_OUTGOING)
                look(count, atoi(argv[1]), atoi(argv[2]));
    }
    printf("bytes=%zu packets=%zu\n", length, packets);
    for (size_t i = 0; i < length; i++)
        printf("%02x", kept[i]);
    printf("\n");
    return 0;
}
