#ifndef COMMON_SANDBOX_H
#define COMMON_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * What surrounds a per-guest process, so that neither a hostile guest nor its VMM after an
 * escape reaches anything but its own slice, window and disk. The device gets nothing at
 * all; QEMU gets the files of its own guest. The layers are applied in the order of
 * enum sandbox_layer and read back, and whoever cannot apply one does not start.
 *
 * sandbox_fork() makes the namespaces, sandbox_enter() in the child does what has to be
 * done before the program is executed: everything for QEMU, and for the device what lets
 * its main() go on by itself with sandbox_enter_device(), when its libraries are loaded and
 * before its first untrusted byte.
 */
enum sandbox_layer {
	SANDBOX_USER_NS,
	SANDBOX_MOUNT_NS,
	SANDBOX_PID_NS,
	SANDBOX_NET_NS,
	SANDBOX_IPC_NS,
	SANDBOX_UTS_NS,
	SANDBOX_CGROUP_NS,
	SANDBOX_ROOT, // empty, or only what is needed
	SANDBOX_NO_NEW_PRIVS,
	SANDBOX_LANDLOCK,
	SANDBOX_SECCOMP, // QEMU applies its own, by -sandbox
	SANDBOX_NO_CAPABILITIES,
	SANDBOX_NO_EXEC_GAIN, // no memory becomes executable; the device only
	SANDBOX_NOT_DUMPABLE, // the device only: execve() would undo it
	SANDBOX_LIMITS,       // rlimits
	SANDBOX_CGROUP,       // limits by cgroup v2, where one is delegated
	SANDBOX_LAYERS,
};

/* Bits of 1 << enum sandbox_layer. */
typedef uint32_t sandbox_layers;

/* As it is shown: "user namespace". */
const char *sandbox_layer_name(enum sandbox_layer layer);

/* Which layer could not be applied, and why. */
struct sandbox_problem {
	enum sandbox_layer layer;
	int error;          // errno
	const char *detail; // borrowed: the path it is about; NULL where there is none
};

/* One line that names the layer and the error, where one is known, and says what to do. */
#define SANDBOX_LINE_MAX 512
void sandbox_describe(const struct sandbox_problem *problem, char line[SANDBOX_LINE_MAX]);

/* The exit status of a process that could not apply a layer and has said so in one line on
 * standard error: this and the layer. */
#define SANDBOX_EXIT_STATUS 64

enum sandbox_access {
	SANDBOX_READ,  // and execute
	SANDBOX_WRITE, // too
	SANDBOX_NODE,  // a device node
};

/* Something of the host that the new root has at the same place. */
struct sandbox_path {
	char *path; // owned, absolute
	enum sandbox_access access;
	bool optional; // no error where the host has none
};

enum sandbox_kind {
	SANDBOX_KIND_DEVICE,
	SANDBOX_KIND_VMM,
};

/* A sandbox to be; zeroed but for its kind it holds nothing. */
struct sandbox {
	enum sandbox_kind kind;
	bool host_network;          // stays in the host's net namespace
	struct sandbox_path *paths; // owned; of SANDBOX_KIND_VMM
	size_t paths_len;
	int error; // of sandbox_add(): the first sticks
};

/* Adds a path, which is copied; an error sticks until sandbox_enter(). */
void sandbox_add(
	struct sandbox *sandbox, enum sandbox_access access, bool optional, const char *path);

/* Safe on a zeroed or finished sandbox. */
void sandbox_finish(struct sandbox *sandbox);

/* fork() into new namespaces; for single-threaded callers. Returns the pid, 0 in the child,
 * or -errno. */
pid_t sandbox_fork(const struct sandbox *sandbox);

/*
 * After sandbox_fork() has failed: which namespace the kernel refuses, by asking for each. False
 * where it refuses none: then it was not for them.
 */
bool sandbox_find_refused(const struct sandbox *sandbox, struct sandbox_problem *ret);

/*
 * In the child of sandbox_fork(), with its descriptors in place: all that comes before
 * execve(). Returns 0; or -1, and the child must not go on.
 */
int sandbox_enter(const struct sandbox *sandbox, struct sandbox_problem *ret);

/*
 * In the device, once. *ret_landlock is the ABI of Landlock that is in force, *ret_seen which
 * of SANDBOX_UNSEEN it has seen to be in force. Returns 0; or -1, and the process must not go on. Afterwards no file can be opened, no socket made,
 * and a forbidden system call kills the process; what it does is done with the descriptors
 * that it has and gets.
 */
int sandbox_enter_device(
	unsigned *ret_landlock, sandbox_layers *ret_seen, struct sandbox_problem *ret);

/* What cannot be seen from outside, and not be given up from inside. */
#define SANDBOX_UNSEEN                                                                             \
	(1u << SANDBOX_LANDLOCK | 1u << SANDBOX_NO_EXEC_GAIN | 1u << SANDBOX_NOT_DUMPABLE)

/*
 * Reads from the kernel which layers are in force for a process, but for SANDBOX_UNSEEN.
 * Returns 0 for a process that is gone or may not be looked at.
 */
sandbox_layers sandbox_read_layers(pid_t pid);

#endif
