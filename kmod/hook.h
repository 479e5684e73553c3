/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RIPTIDES_HOOK_H
#define RIPTIDES_HOOK_H

/* -ENOENT when the kernel has no tracepoint inet_sock_set_state. */
int hook_init(void);
void hook_exit(void);

#endif
