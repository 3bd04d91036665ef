#include "sandbox-cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fd.h"
#include "memfd.h"

#define GROUP_PREFIX "guest-"
#define SUBGROUP "daemon" // as in mulliond.service
#define CPU_PERIOD_US 100000

/* The path of a process in the hierarchy of version 2: the line "0::PATH". */
static bool read_path(const char *process, char path[PATH_MAX]) {
	char name[64], line[PATH_MAX + 8];
	bool found = false;
	snprintf(name, sizeof(name), "/proc/%s/cgroup", process);
	FILE *file = fopen(name, "re");
	while (file != NULL && !found && fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		found = strncmp(line, "0::", 3) == 0;
	}
	if (file != NULL) {
		fclose(file);
	}
	if (found) {
		memmove(path, line + 3, strnlen(line + 3, PATH_MAX - 1) + 1);
		path[PATH_MAX - 1] = '\0';
	}
	return found;
}

static int open_group(const char *hierarchy, const char *path) {
	char *name;
	if (asprintf(&name, "%s%s", hierarchy, path) < 0) {
		return -1;
	}
	int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(name);
	return fd;
}

static bool is_delegated(int group) {
	char value[4] = "";
	return fgetxattr(group, "user.delegate", value, sizeof(value)) == 1 && value[0] == '1';
}

static int write_text(int group, const char *file, const char *text) {
	int fd = openat(group, file, O_WRONLY | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	int error = write(fd, text, strlen(text)) < 0 ? -errno : 0;
	fd_close(fd);
	return error;
}

/* A group with processes of its own cannot have controllers for those below. */
static void make_room(int root) {
	mkdirat(root, SUBGROUP, 0755);
	int daemon = openat(root, SUBGROUP, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (daemon >= 0) {
		sandbox_cgroup_add(daemon, getpid());
	}
	fd_close(daemon);
}

int sandbox_cgroup_root(const char *hierarchy, const char *own) {
	static const char *const controllers[] = {"+memory", "+pids", "+cpu"};
	char path[PATH_MAX];
	bool subgroup = false;
	if (own != NULL) {
		snprintf(path, sizeof(path), "%s", own);
	} else if (!read_path("self", path)) {
		return -1;
	}
	int root = open_group(hierarchy, path);
	if (root >= 0 && is_delegated(root)) {
		make_room(root);
	} else {
		// systemd may have put this process a level deeper (DelegateSubgroup=).
		char *slash = strrchr(path, '/');
		fd_close(root);
		if (slash == NULL || slash == path) {
			return -1;
		}
		*slash = '\0';
		subgroup = strcmp(slash + 1, SUBGROUP) == 0;
		root = open_group(hierarchy, path);
	}
	if (root < 0 || !(subgroup || is_delegated(root))) {
		return fd_close(root);
	}
	for (size_t i = 0; i < sizeof(controllers) / sizeof(controllers[0]); i++) {
		write_text(root, "cgroup.subtree_control", controllers[i]);
	}
	return root;
}

static void group_name(const char *guest, char name[NAME_MAX]) {
	snprintf(name, NAME_MAX, GROUP_PREFIX "%s", guest);
}

static void set_limits(int group, const struct sandbox_cgroup_limits *limits) {
	char text[64];
	snprintf(text, sizeof(text), "%" PRIu64, limits->memory);
	write_text(group, "memory.max", text);
	snprintf(text, sizeof(text), "%" PRIu32, limits->threads);
	write_text(group, "pids.max", text);
	snprintf(text, sizeof(text), "%" PRIu64 " %d", (uint64_t)limits->cpus * CPU_PERIOD_US,
		CPU_PERIOD_US);
	write_text(group, "cpu.max", text);
}

int sandbox_cgroup_open(int root, const char *guest, const struct sandbox_cgroup_limits *limits) {
	char name[NAME_MAX];
	if (root < 0) {
		return -1;
	}
	group_name(guest, name);
	mkdirat(root, name, 0755);
	int group = openat(root, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (group >= 0) {
		set_limits(group, limits);
	}
	return group;
}

static pid_t fork_into(int group) {
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = (uint64_t)group,
	};
	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

int sandbox_cgroup_allocate(int fd, uint64_t size, int group) {
	int status;
	pid_t pid = group >= 0 ? fork_into(group) : -1;
	if (pid == 0) {
		_exit(-memfd_allocate(fd, size, 0));
	}
	if (pid < 0) {
		return memfd_allocate(fd, size, 0);
	}
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR) {
			return -errno;
		}
	}
	// The group's limit kills.
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ENOMEM;
}

int sandbox_cgroup_add(int group, pid_t pid) {
	char text[16];
	if (group < 0) {
		return 0;
	}
	snprintf(text, sizeof(text), "%d", pid);
	return write_text(group, "cgroup.procs", text);
}

void sandbox_cgroup_remove(int root, const char *guest) {
	char name[NAME_MAX];
	if (root >= 0) {
		group_name(guest, name);
		unlinkat(root, name, AT_REMOVEDIR);
	}
}

bool sandbox_cgroup_holds(pid_t pid) {
	char process[16], path[PATH_MAX];
	snprintf(process, sizeof(process), "%d", pid);
	const char *name = read_path(process, path) ? strrchr(path, '/') : NULL;
	return name != NULL && strncmp(name + 1, GROUP_PREFIX, strlen(GROUP_PREFIX)) == 0;
}
