#ifndef COMMON_SANDBOX_CGROUP_H
#define COMMON_SANDBOX_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * A cgroup v2 for each guest, with limits of memory, threads and processor time, below the
 * one that systemd has delegated to mulliond (Delegate=). Where none is delegated there are
 * no groups, and nothing is said: the root is -1, and so are the groups.
 */

/*
 * Finds the delegated group of this process and turns on its controllers: one with systemd's
 * mark, which its user managers do not set, or that above the subgroup "daemon", which
 * mulliond's unit asks for (DelegateSubgroup=) and nobody gets of a group that is not delegated. hierarchy is
 * /sys/fs/cgroup, own this process's path in it, or NULL for what /proc says. Returns a
 * descriptor of its directory, for the caller to close, or -1.
 */
int sandbox_cgroup_root(const char *hierarchy, const char *own);

struct sandbox_cgroup_limits {
	uint64_t memory;  // bytes
	uint32_t threads; // of all its processes
	uint32_t cpus;    // of processor time
};

/*
 * Makes a guest's group, or takes up the one that is there, and sets its limits; one whose
 * controller is not delegated is left out. Returns a descriptor of its directory, for the
 * caller to close, or -1.
 */
int sandbox_cgroup_open(int root, const char *guest, const struct sandbox_cgroup_limits *limits);

/*
 * memfd_allocate(), charged to a group, -1 for none: by a child of a moment, as the kernel
 * charges memory to whoever needs it first. More than the group may have is -ENOMEM. For
 * single-threaded callers.
 */
int sandbox_cgroup_allocate(int fd, uint64_t size, int group);

/* Moves a process into a group; nothing for -1. Returns 0 or -errno. */
int sandbox_cgroup_add(int group, pid_t pid);

/* Removes a guest's group, if it is empty. */
void sandbox_cgroup_remove(int root, const char *guest);

/* Whether a process is in a guest's group of this process's, seen in /proc. */
bool sandbox_cgroup_holds(pid_t pid);

#endif
