/* What /proc tells of another process's sandbox. */
#include "sandbox.h"

#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "fd.h"
#include "sandbox-cgroup.h"

static const struct {
	enum sandbox_layer layer;
	const char *name;
} namespaces[] = {
	{SANDBOX_USER_NS, "user"},
	{SANDBOX_MOUNT_NS, "mnt"},
	{SANDBOX_PID_NS, "pid"},
	{SANDBOX_NET_NS, "net"},
	{SANDBOX_IPC_NS, "ipc"},
	{SANDBOX_UTS_NS, "uts"},
	{SANDBOX_CGROUP_NS, "cgroup"},
};

static bool is_other_namespace(int process, const char *name) {
	char path[64];
	struct stat own, other;
	snprintf(path, sizeof(path), "ns/%s", name);
	if (fstatat(process, path, &other, 0) < 0) {
		return false;
	}
	snprintf(path, sizeof(path), "/proc/self/ns/%s", name);
	return stat(path, &own) == 0 && (own.st_dev != other.st_dev || own.st_ino != other.st_ino);
}

/* A root in memory that may not be written and is another one than ours. */
static bool has_own_root(int process) {
	struct statfs fs;
	struct stat own, other;
	int root = openat(process, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool own_root = root >= 0 && fstatfs(root, &fs) == 0 && fs.f_type == TMPFS_MAGIC &&
		(fs.f_flags & ST_RDONLY) != 0 && stat("/", &own) == 0 && fstat(root, &other) == 0 &&
		(own.st_dev != other.st_dev || own.st_ino != other.st_ino);
	fd_close(root);
	return own_root;
}

/* What /proc/PID/status has of it, in hexadecimal: Seccomp and NoNewPrivs have one digit. */
struct facts {
	uint64_t no_new_privs, seccomp;
	uint64_t capabilities; // of all five sets
	unsigned sets;
};

static bool read_facts(int process, struct facts *ret) {
	char line[256];
	uint64_t value;
	*ret = (struct facts){0};
	int fd = openat(process, "status", O_RDONLY | O_CLOEXEC);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "re");
	if (file == NULL) {
		fd_close(fd);
		return false;
	}
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "Cap%*3[A-Za-z]: %" SCNx64, &value) == 1) {
			ret->capabilities |= value;
			ret->sets++;
		} else if (sscanf(line, "NoNewPrivs: %" SCNx64, &value) == 1) {
			ret->no_new_privs = value;
		} else if (sscanf(line, "Seccomp: %" SCNx64, &value) == 1) {
			ret->seccomp = value;
		}
	}
	fclose(file);
	return true;
}

static bool is_limited(pid_t pid) {
	struct rlimit core, queue;
	return prlimit(pid, RLIMIT_CORE, NULL, &core) == 0 && core.rlim_max == 0 &&
		prlimit(pid, RLIMIT_MSGQUEUE, NULL, &queue) == 0 && queue.rlim_max == 0;
}

sandbox_layers sandbox_read_layers(pid_t pid) {
	char path[32];
	struct facts facts;
	sandbox_layers layers = 0;
	snprintf(path, sizeof(path), "/proc/%d", pid);
	int process = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (process < 0) {
		return 0;
	}
	for (size_t i = 0; i < sizeof(namespaces) / sizeof(namespaces[0]); i++) {
		layers |= is_other_namespace(process, namespaces[i].name) << namespaces[i].layer;
	}
	layers |= has_own_root(process) << SANDBOX_ROOT;
	if (read_facts(process, &facts)) {
		layers |= (facts.no_new_privs == 1) << SANDBOX_NO_NEW_PRIVS;
		layers |= (facts.seccomp == 2) << SANDBOX_SECCOMP;
		layers |= (facts.sets == 5 && facts.capabilities == 0) << SANDBOX_NO_CAPABILITIES;
	}
	layers |= is_limited(pid) << SANDBOX_LIMITS;
	layers |= sandbox_cgroup_holds(pid) << SANDBOX_CGROUP;
	fd_close(process);
	return layers;
}
