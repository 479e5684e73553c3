/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef RIPTIDES_FILES_H
#define RIPTIDES_FILES_H

#include "uapi/riptides.h"

struct binding;

/*
 * Makes a binding and its files; not in force, so reads are ENODEV. The caller
 * holds store_mutex. ERR_PTR on failure.
 */
struct binding *binding_files_add(const struct riptides_key *key);

/*
 * Removes the files, waits for their readers and frees the binding, which is
 * in no table any more. The caller holds store_mutex and not store_lock.
 */
void binding_files_remove(struct binding *binding);

int binding_files_init(void);
void binding_files_exit(void);

#endif
