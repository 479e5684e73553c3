/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RIPTIDES_EXE_H
#define RIPTIDES_EXE_H

#include <linux/stat.h>
#include "uapi/riptides.h"

struct file;

/* The executable of the current process with a reference, or NULL. */
struct file *exe_of_current(void);

/* What stat() of the executable tells user space. */
int exe_stat(struct file *exe, struct kstat *stat);

/* Digest of the whole file; remembered while the file does not change. */
int exe_sha256(struct file *exe, u8 digest[RIPTIDES_SHA256_SIZE]);

int exe_init(void);
void exe_exit(void);

#endif
