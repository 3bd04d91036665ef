#include "host-start.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fd.h"
#include "program.h"

#define BACKLOG 16

static int make_address(const char *path, struct sockaddr_un *ret) {
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(ret->sun_path)) {
		return -ENAMETOOLONG;
	}
	memcpy(ret->sun_path, path, strlen(path));
	return 0;
}

int host_connect(const char *path) {
	struct sockaddr_un address;
	int error = make_address(path, &address);
	if (error < 0) {
		return error;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return -errno;
	}
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
		error = -errno;
		fd_close(fd);
		return error;
	}
	return fd;
}

static int listen_at(const char *path) {
	struct sockaddr_un address;
	int error = make_address(path, &address);
	if (error < 0) {
		return error;
	}
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		return -errno;
	}
	// The directory is ours alone, and nobody answered there.
	unlink(path);
	mode_t mask = umask(0177);
	bool bound = bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
		listen(fd, BACKLOG) == 0;
	error = -errno;
	umask(mask);
	if (!bound) {
		fd_close(fd);
		return error;
	}
	return fd;
}

pid_t host_start(struct processes *processes, const char *path, enum log_level level,
	process_exited_func exited, void *data) {
	char *program = program_find("mulliond");
	if (program == NULL) {
		log_write(level,
			"mulliond was not found beside mullion, in " MULLION_LIBEXECDIR
			" or in PATH: no guest can be started");
		return -ENOENT;
	}
	int fd = listen_at(path);
	if (fd < 0) {
		log_write(level, "%s: %s", path, strerror(-fd));
		free(program);
		return fd;
	}
	char *const argv[] = {program, NULL};
	pid_t pid = process_start(processes, argv, fd, exited, data);
	if (pid < 0) {
		log_write(level, "mulliond cannot be started: %s", strerror(-pid));
		unlink(path);
	} else {
		log_debug("started mulliond, process %d", (int)pid);
	}
	fd_close(fd);
	free(program);
	return pid;
}
