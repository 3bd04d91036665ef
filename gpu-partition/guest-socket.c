#include "guest-socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fd.h"
#include "program.h"
#include "refuse.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

#define COMM_MAX 32

/* guests/NAME/file in the runtime directory, with its directories. */
static char *runtime_path(const char *guest, const char *file, char **ret_reason) {
	char *path = NULL, *runtime = program_runtime_dir();
	if (runtime == NULL) {
		refuse(ret_reason, "no runtime directory: set XDG_RUNTIME_DIR");
		return NULL;
	}
	char *guests = NULL, *directory = NULL;
	if (asprintf(&guests, "%s/guests", runtime) < 0 ||
		asprintf(&directory, "%s/%s", guests, guest) < 0 ||
		asprintf(&path, "%s/%s", directory, file) < 0) {
		path = NULL;
	} else if ((mkdir(guests, 0700) < 0 && errno != EEXIST) ||
		(mkdir(directory, 0700) < 0 && errno != EEXIST)) {
		refuse(ret_reason, "%s cannot be made: %s", directory, strerror(errno));
		free(path);
		path = NULL;
	}
	free(runtime);
	free(guests);
	free(directory);
	return path;
}

/* Passes a path on that a socket's address has room for; frees any other. */
static char *check_length(char *result, char **ret_reason) {
	const size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
	if (result != NULL && strlen(result) > max) {
		refuse(ret_reason,
			"%s is %zu bytes long, a socket's path has at most %zu: choose a shorter "
			"XDG_RUNTIME_DIR or name",
			result, strlen(result), max);
		free(result);
		return NULL;
	}
	return result;
}

char *guest_socket_path(
	const char *path, const char *guest, enum link_function function, char **ret_reason) {
	const char *name = link_function_name(function);
	char *result = NULL, file[32];
	if (path == NULL || path[0] == '\0') {
		snprintf(file, sizeof(file), "%s.sock", name);
		result = runtime_path(guest, file, ret_reason);
	} else if (function == LINK_FUNCTION_GPU) {
		result = strdup(path);
	} else if (asprintf(&result, "%s-%s", path, name) < 0) {
		result = NULL;
	}
	return check_length(result, ret_reason);
}

char *guest_socket_link_path(const char *guest, char **ret_reason) {
	return check_length(runtime_path(guest, "link.sock", ret_reason), ret_reason);
}

char *guest_socket_qmp_path(const char *guest, char **ret_reason) {
	return check_length(runtime_path(guest, "qmp.sock", ret_reason), ret_reason);
}

void guest_socket_clean(const char *guest) {
	static const char *const files[] = {"gpu.sock", "keyboard.sock", "tablet.sock",
		"mouse.sock", "touch.sock", "link.sock", "qmp.sock", "record", "record.new"};
	char *directory = NULL, *path, *runtime = program_runtime_dir();
	if (runtime != NULL && asprintf(&directory, "%s/guests/%s", runtime, guest) < 0) {
		directory = NULL;
	}
	for (size_t i = 0; directory != NULL && i < sizeof(files) / sizeof(files[0]); i++) {
		if (asprintf(&path, "%s/%s", directory, files[i]) >= 0) {
			unlink(path);
			free(path);
		}
	}
	if (directory != NULL) {
		rmdir(directory);
	}
	free(directory);
	free(runtime);
}

static struct sockaddr_un address_of(const char *path) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	memcpy(address.sun_path, path, strnlen(path, sizeof(address.sun_path) - 1));
	return address;
}

int guest_socket_connect(const char *path, int type) {
	struct sockaddr_un address = address_of(path);
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return -errno;
	}
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		int error = -errno;
		close(fd);
		return error;
	}
	return fd;
}

int guest_socket_peer(int fd, pid_t *ret_pid) {
	struct ucred peer;
	int pidfd = -1;
	socklen_t size = sizeof(peer), pidfd_size = sizeof(pidfd);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
		return -errno;
	}
	if (peer.pid <= 0 || peer.pid == getpid() || peer.uid != getuid()) {
		return -ESRCH;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &pidfd_size) < 0) {
		// Before Linux 6.5 the number may meanwhile be another process's.
		pidfd = errno == ENOPROTOOPT ? pidfd_open(peer.pid, 0) : -1;
	}
	if (pidfd < 0) {
		return -ESRCH;
	}
	*ret_pid = peer.pid;
	return pidfd;
}

/* As guest_socket_owner(), for a socket of this type. */
static int socket_owner(const char *path, int type) {
	struct ucred owner;
	socklen_t size = sizeof(owner);
	int fd = guest_socket_connect(path, type);
	if (fd < 0) {
		return fd == -ECONNREFUSED || fd == -ENOENT ? 0 : fd;
	}
	int result =
		getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &owner, &size) < 0 ? -errno : owner.pid;
	close(fd);
	return result;
}

int guest_socket_owner(const char *path) {
	return socket_owner(path, SOCK_STREAM);
}

static void read_comm(int pid, char comm[COMM_MAX]) {
	char path[64];
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, comm, COMM_MAX - 1);
	fd_close(fd);
	snprintf(comm + (n > 0 ? n - 1 : 0), COMM_MAX - (n > 0 ? n - 1 : 0), "%s",
		n > 0 ? "" : "unknown");
}

/* Removes what lies there, if it is a socket without a listener. */
static int remove_stale(const char *path, int type, char **ret_reason) {
	struct stat status;
	if (lstat(path, &status) < 0) {
		return 0;
	}
	if (!S_ISSOCK(status.st_mode)) {
		return refuse(ret_reason, "%s is no socket: remove it", path);
	}
	int owner = socket_owner(path, type);
	if (owner > 0) {
		char comm[COMM_MAX];
		read_comm(owner, comm);
		return refuse(ret_reason, "%s is in use by process %d (%s): end that first", path,
			owner, comm);
	}
	if (owner < 0) {
		return refuse(ret_reason, "%s is in use (%s): look with 'ss -xlp'", path,
			strerror(-owner));
	}
	unlink(path);
	return 0;
}

int guest_socket_listen(const char *path, int type, char **ret_reason) {
	struct sockaddr_un address = address_of(path);
	if (remove_stale(path, type, ret_reason) < 0) {
		return -1;
	}
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		chmod(path, 0600) < 0 || listen(fd, 4) < 0) {
		refuse(ret_reason, "no socket %s: %s", path, strerror(errno));
		fd_close(fd);
		return -1;
	}
	return fd;
}
