// SPDX-License-Identifier: Apache-2.0
#include "wire.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <unistd.h>

int current = -1, connections[CONNECTIONS];
static int connection_count;
static const char *kind = "tcp";

socklen_t address_of(char *argument, struct sockaddr_storage *address)
{
    char *at = strchr(argument, '@');
    const char *host = at ? at + 1 : strcmp(kind, "tcp6") ? "127.0.0.1" : "::1";
    struct sockaddr_in *four = (struct sockaddr_in *)address;
    struct sockaddr_in6 *six = (struct sockaddr_in6 *)address;
    memset(address, 0, sizeof(*address));
    if (!strcmp(kind, "tcp6")) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons(atoi(argument));
        inet_pton(AF_INET6, host, &six->sin6_addr);
        return sizeof(*six);
    }
    four->sin_family = AF_INET;
    four->sin_port = htons(atoi(argument));
    inet_pton(AF_INET, host, &four->sin_addr);
    return sizeof(*four);
}

void new_socket(void)
{
    int one = 1, protocol = strcmp(kind, "mptcp") ? 0 : IPPROTO_MPTCP;
    int type = SOCK_STREAM | SOCK_CLOEXEC | (strcmp(kind, "async") ? 0 : SOCK_NONBLOCK);
    current = socket(strcmp(kind, "tcp6") ? AF_INET : AF_INET6, type, protocol);
    if (current >= 0)
        connections[connection_count++ % CONNECTIONS] = current;
    if (!strcmp(kind, "fastopen"))
        setsockopt(current, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one));
}

static void do_connect(char *argument)
{
    struct sockaddr_storage address;
    socklen_t length = address_of(argument, &address);
    new_socket();
    printf("connect %s\n", outcome(connect(current, (struct sockaddr *)&address, length)));
}

static void do_again(char *argument)
{
    struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
    socklen_t length = strcmp(argument, "none") ? address_of(argument, &address) : sizeof(address);
    printf("again %s\n", outcome(connect(current, (struct sockaddr *)&address, length)));
}

/* Like do_connect, with the first bytes in it; the port is 8443. */
static void do_open(char *argument)
{
    struct sockaddr_storage address;
    socklen_t length = address_of((char[]){ "8443" }, &address);
    size_t size = text(argument);
    new_socket();
    say_count("open", sendto(current, argument, size, MSG_FASTOPEN | MSG_NOSIGNAL, (struct sockaddr *)&address, length));
}

static void do_close(int reset)
{
    struct linger linger = { 1, 0 };
    if (reset)
        setsockopt(current, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    printf("%s %s\n", reset ? "reset" : "close", outcome(close(current)));
}

int act_on_connection(char *argument)
{
    char *value;
    if (is(argument, "socket=", &value)) {
        kind = value;
        printf("socket ok\n");
    } else if (is(argument, "use=", &value)) {
        current = connections[atoi(value)];
        printf("use ok\n");
    } else if (is(argument, "connect=", &value))
        do_connect(value);
    else if (is(argument, "again=", &value))
        do_again(value);
    else if (is(argument, "open=", &value))
        do_open(value);
    else if (is(argument, "shut=", &value))
        printf("shut %s\n", outcome(shutdown(current, !strcmp(value, "wr") ? SHUT_WR : !strcmp(value, "rd") ? SHUT_RD : SHUT_RDWR)));
    else if (!strcmp(argument, "close") || !strcmp(argument, "reset"))
        do_close(argument[0] == 'r');
    else
        return 0;
    return 1;
}
