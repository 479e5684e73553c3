// SPDX-License-Identifier: Apache-2.0
// What the parts of this program share. Each part does the actions of one kind: see main.c for all of them.
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/types.h>

#define CONNECTIONS 16

/* The socket that the actions use, and the last CONNECTIONS made. */
extern int current, connections[CONNECTIONS];
extern char buffer[1 << 20];

/* Whether the action is of that kind; it has been done then. */
int act_on_connection(char *argument);
int act_by_sending(char *argument);
int act_by_uring(char *argument);
int act_by_receiving(char *argument);
int act_on_readiness(char *argument);
int act_on_options(char *argument);
int act_on_process(char *argument);

/* "ok", or errno's name for a negative result. */
const char *outcome(long result);
void say_count(const char *action, ssize_t count);
/* The bytes too, when they are few. */
void say_bytes(const char *action, ssize_t count, const char *bytes);
/* Undoes the escapes in place; the length. */
size_t text(char *escaped);
/* Whether the action begins with that name; what follows it. */
int is(char *argument, const char *name, char **value);

socklen_t address_of(char *argument, struct sockaddr_storage *address);
/* Makes it the current one. */
void new_socket(void);
