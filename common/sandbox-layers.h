#ifndef COMMON_SANDBOX_LAYERS_H
#define COMMON_SANDBOX_LAYERS_H

#include "sandbox.h"

/* The single layers, for sandbox.c. All return 0 or -errno. */

/* In the child of sandbox_fork(): maps one user and one group of its own to the caller's,
 * and gives up on all other groups. */
int sandbox_map_ids(void);

/* 0 where this process is in namespaces that sandbox_fork() has made. */
int sandbox_check_ids(void);

/* Makes a root of its own, which has the sandbox's paths, or nothing for NULL. *ret_path is
 * the path that an error is about, or NULL. Needs CAP_SYS_ADMIN in the user namespace. */
int sandbox_make_root(const struct sandbox *sandbox, const char **ret_path);

int sandbox_no_new_privs(void);

/* Denies whatever Landlock can deny, but for the sandbox's paths (nothing for NULL). */
int sandbox_landlock(const struct sandbox *sandbox, unsigned *ret_abi);

/* The device's list of system calls. */
int sandbox_seccomp(void);

/* Keeps what the device needs for its own layers across execve(). */
int sandbox_keep_capabilities(void);

/* Drops all of them, from the bounding set too. */
int sandbox_drop_capabilities(void);

/* Which of SANDBOX_UNSEEN are in force in this process. */
sandbox_layers sandbox_read_unseen(void);

int sandbox_no_exec_gain(void);
int sandbox_not_dumpable(void);
int sandbox_limit(enum sandbox_kind kind);

#endif
