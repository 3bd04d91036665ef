#include "sandbox-layers.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fd.h"

/* Later than the oldest headers that this is built with. */
#define FS_REFER (UINT64_C(1) << 13)     // ABI 2
#define FS_TRUNCATE (UINT64_C(1) << 14)  // ABI 3
#define FS_IOCTL_DEV (UINT64_C(1) << 15) // ABI 5
#define NET_TCP UINT64_C(3)              // bind and connect, ABI 4
#define SCOPE_ALL UINT64_C(3)            // abstract sockets and signals, ABI 6
#define FS_FIRST ((UINT64_C(1) << 13) - 1)

#define FS_READ                                                                                    \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

/* What a file, not a folder, can be allowed. */
#define FS_OF_FILES                                                                                \
	(LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |                              \
		LANDLOCK_ACCESS_FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

/* As the kernel has it. */
struct ruleset {
	uint64_t fs, net, scoped;
};

static struct ruleset handled(unsigned abi, bool host_network) {
	struct ruleset ruleset = {.fs = FS_FIRST};
	ruleset.fs |= abi >= 2 ? FS_REFER : 0;
	ruleset.fs |= abi >= 3 ? FS_TRUNCATE : 0;
	ruleset.fs |= abi >= 5 ? FS_IOCTL_DEV : 0;
	ruleset.net = abi >= 4 && !host_network ? NET_TCP : 0;
	ruleset.scoped = abi >= 6 ? SCOPE_ALL : 0;
	return ruleset;
}

static int allow(int ruleset_fd, const struct ruleset *handled, const char *path, uint64_t access) {
	struct stat status;
	int fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	if (fstat(fd, &status) == 0 && !S_ISDIR(status.st_mode)) {
		access &= FS_OF_FILES;
	}
	struct landlock_path_beneath_attr rule = {
		.allowed_access = access & handled->fs,
		.parent_fd = fd,
	};
	int error =
		syscall(SYS_landlock_add_rule, ruleset_fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0
		? -errno
		: 0;
	fd_close(fd);
	return error;
}

/* Of the new root everything may be read, and written what is there to be written. */
static int allow_paths(
	int ruleset_fd, const struct ruleset *handled, const struct sandbox *sandbox) {
	int error = allow(ruleset_fd, handled, "/", FS_READ);
	for (size_t i = 0; i < sandbox->paths_len && error == 0; i++) {
		const struct sandbox_path *path = &sandbox->paths[i];
		uint64_t access = path->access == SANDBOX_NODE
			? FS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE | FS_IOCTL_DEV
			: ~UINT64_C(0);
		if (path->access == SANDBOX_READ) {
			continue;
		}
		error = allow(ruleset_fd, handled, path->path, access);
		error = error == -ENOENT && path->optional ? 0 : error;
	}
	return error;
}

/* Who may open nothing may not even look into his own, empty root. */
static int try_out(void) {
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		fd_close(fd);
		return -ENOSYS;
	}
	return errno == EACCES ? 0 : -errno;
}

int sandbox_landlock(const struct sandbox *sandbox, unsigned *ret_abi) {
	long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (abi < 1) {
		return abi < 0 ? -errno : -ENOSYS;
	}
	struct ruleset ruleset = handled((unsigned)abi, sandbox != NULL && sandbox->host_network);
	size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
	int fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, size, 0);
	if (fd < 0) {
		return -errno;
	}
	int error = sandbox != NULL ? allow_paths(fd, &ruleset, sandbox) : 0;
	if (error == 0 && syscall(SYS_landlock_restrict_self, fd, 0) < 0) {
		error = -errno;
	}
	fd_close(fd);
	if (error == 0 && sandbox == NULL) {
		error = try_out();
	}
	if (error == 0) {
		*ret_abi = (unsigned)abi;
	}
	return error;
}
