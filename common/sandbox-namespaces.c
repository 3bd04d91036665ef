#include "sandbox-layers.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fd.h"

/* Inside nobody is root: an ordinary number, which no check for 0 meets. */
#define INNER_ID 1000

/* The caller's ids, for the child: inside they cannot be asked for. */
static uid_t outer_uid;
static gid_t outer_gid;

pid_t sandbox_fork(const struct sandbox *sandbox) {
	struct clone_args args = {
		.flags = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
			CLONE_NEWCGROUP,
		.exit_signal = SIGCHLD,
	};
	if (!sandbox->host_network) {
		args.flags |= CLONE_NEWNET;
	}
	outer_uid = geteuid();
	outer_gid = getegid();
	long pid = syscall(SYS_clone3, &args, sizeof(args));
	return pid < 0 ? -errno : (pid_t)pid;
}

/* The kernel names no namespace when it refuses all of them in one call. */
bool sandbox_find_refused(const struct sandbox *sandbox, struct sandbox_problem *ret) {
	static const struct {
		enum sandbox_layer layer;
		uint64_t flag;
	} tries[] = {
		{SANDBOX_USER_NS, 0},
		{SANDBOX_MOUNT_NS, CLONE_NEWNS},
		{SANDBOX_PID_NS, CLONE_NEWPID},
		{SANDBOX_NET_NS, CLONE_NEWNET},
		{SANDBOX_IPC_NS, CLONE_NEWIPC},
		{SANDBOX_UTS_NS, CLONE_NEWUTS},
		{SANDBOX_CGROUP_NS, CLONE_NEWCGROUP},
	};
	for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
		struct clone_args args = {
			.flags = CLONE_NEWUSER | tries[i].flag, .exit_signal = SIGCHLD};
		if (tries[i].flag == CLONE_NEWNET && sandbox->host_network) {
			continue;
		}
		long pid = syscall(SYS_clone3, &args, sizeof(args));
		if (pid == 0) {
			_exit(0);
		}
		if (pid < 0) {
			*ret = (struct sandbox_problem){.layer = tries[i].layer, .error = errno};
			return true;
		}
		while (waitpid((pid_t)pid, NULL, 0) < 0 && errno == EINTR) {
		}
	}
	return false;
}

static int write_file(const char *path, const char *text) {
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0) {
		return -errno;
	}
	size_t length = strlen(text);
	int error = write(fd, text, length) == (ssize_t)length ? 0 : -errno;
	fd_close(fd);
	return error;
}

static int write_map(const char *path, unsigned outer) {
	char line[64];
	snprintf(line, sizeof(line), "%u %u 1\n", INNER_ID, outer);
	return write_file(path, line);
}

int sandbox_map_ids(void) {
	int error = write_file("/proc/self/setgroups", "deny");
	if (error == 0) {
		error = write_map("/proc/self/uid_map", outer_uid);
	}
	if (error == 0) {
		error = write_map("/proc/self/gid_map", outer_gid);
	}
	return error == 0 ? sandbox_check_ids() : error;
}

int sandbox_check_ids(void) {
	uid_t uid[3];
	gid_t gid[3];
	if (getresuid(&uid[0], &uid[1], &uid[2]) < 0 || getresgid(&gid[0], &gid[1], &gid[2]) < 0) {
		return -errno;
	}
	for (int i = 0; i < 3; i++) {
		if (uid[i] != INNER_ID || gid[i] != INNER_ID) {
			return -EPERM;
		}
	}
	return 0;
}
