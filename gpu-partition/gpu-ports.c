#include "gpu-ports.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "device-state.h"
#include "guest-socket.h"
#include "memfd.h"
#include "refuse.h"
#include "sandbox-cgroup.h"

/* The GPU's is there from the start; of the others' mostly little is ever touched. */
static int make_state(struct gpu *gpu, enum link_function function, int *ret, char **ret_reason) {
	char name[LINK_NAME_MAX + 32];
	const char *what = link_function_name(function);
	bool whole = function == LINK_FUNCTION_GPU;
	snprintf(name, sizeof(name), "mullion-state:%s:%s", gpu->name, what);
	*ret = memfd_create_sealed_by(
		name, DEVICE_STATE_SIZE, whole ? sandbox_cgroup_allocate : NULL, gpu->group);
	return *ret < 0
		? refuse(ret_reason, "no memory for the state of the %s: %s", what, strerror(-*ret))
		: 0;
}

/* The longest reply fits, whatever a user's limit has made of the usual size. */
static int make_pipe(int *ret_fds, char **ret_reason) {
	int replies[2];
	if (pipe2(replies, O_CLOEXEC | O_NONBLOCK) < 0) {
		return refuse(ret_reason, "no pipe for a function's replies: %s", strerror(errno));
	}
	ret_fds[LINK_PORT_REPLIES_READ] = replies[0];
	ret_fds[LINK_PORT_REPLIES_WRITE] = replies[1];
	if (fcntl(replies[1], F_SETPIPE_SZ, LINK_REPLIES_SIZE) < 0) {
		return refuse(ret_reason, "no pipe for a function's replies: %s", strerror(errno));
	}
	return 0;
}

int gpu_ports_make(struct gpu *gpu, const char *socket, char **ret_reason) {
	for (unsigned i = 0; i < gpu->functions; i++) {
		int *fds = &gpu->fds[LINK_FD_OF(i, 0)];
		gpu->sockets[i] = guest_socket_path(socket, gpu->name, i, ret_reason);
		if (gpu->sockets[i] == NULL ||
			make_state(gpu, i, &fds[LINK_PORT_STATE], ret_reason) < 0 ||
			make_pipe(fds, ret_reason) < 0) {
			return -1;
		}
		fds[LINK_PORT_LISTENER] =
			guest_socket_listen(gpu->sockets[i], SOCK_STREAM, ret_reason);
		if (fds[LINK_PORT_LISTENER] < 0) {
			return -1;
		}
	}
	return 0;
}

int gpu_ports_record(const struct gpu *gpu, struct guest_record *record) {
	for (unsigned i = 0; i < gpu->functions; i++) {
		struct stat state;
		if (fstat(gpu->fds[LINK_FD_OF(i, LINK_PORT_STATE)], &state) < 0) {
			return -errno;
		}
		record->states[i] = state.st_ino;
		record->sockets[i] = gpu->sockets[i];
	}
	return 0;
}

int gpu_ports_recall(struct gpu *gpu, const struct guest_record *record) {
	gpu->functions = record->setup.functions;
	for (unsigned i = 0; i < gpu->functions; i++) {
		gpu->sockets[i] = strdup(record->sockets[i]);
		if (gpu->sockets[i] == NULL) {
			return -ENOMEM;
		}
	}
	return 0;
}

bool gpu_is_memory(int untrusted_fd, uint64_t size, ino_t inode) {
	struct stat status;
	uint64_t real;
	return memfd_check(untrusted_fd, size, &real) == 0 && real == size &&
		fstat(untrusted_fd, &status) == 0 && status.st_ino == inode;
}

bool gpu_is_socket(int untrusted_fd, int type, const char *path) {
	int real = 0, listening = 0;
	struct sockaddr_un address = {0};
	socklen_t size = sizeof(int), address_size = sizeof(address) - 1;
	return getsockopt(untrusted_fd, SOL_SOCKET, SO_TYPE, &real, &size) == 0 && real == type &&
		getsockopt(untrusted_fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 &&
		listening != 0 &&
		getsockname(untrusted_fd, (struct sockaddr *)&address, &address_size) == 0 &&
		address.sun_family == AF_UNIX && strcmp(address.sun_path, path) == 0;
}

static bool is_pipe(int fd, int mode) {
	struct stat status;
	return fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode) &&
		(fcntl(fd, F_GETFL) & O_ACCMODE) == mode;
}

const char *gpu_ports_find_lie(
	const struct gpu *gpu, const struct guest_record *record, const int *untrusted_fds) {
	for (unsigned i = 0; i < gpu->functions; i++) {
		const int *fds = &untrusted_fds[LINK_FD_OF(i, 0)];
		if (!gpu_is_memory(fds[LINK_PORT_STATE], DEVICE_STATE_SIZE, record->states[i])) {
			return "it has other memory than it was given";
		}
		if (!gpu_is_socket(fds[LINK_PORT_LISTENER], SOCK_STREAM, gpu->sockets[i]) ||
			!is_pipe(fds[LINK_PORT_REPLIES_READ], O_RDONLY) ||
			!is_pipe(fds[LINK_PORT_REPLIES_WRITE], O_WRONLY)) {
			return "it has other sockets than it was given";
		}
	}
	return NULL;
}

/* Mapped for the moment only: they are asked for seldom. */
static void count_traps(int state, uint64_t untrusted_counts[TRAP_CLASS_COUNT]) {
	struct device_state_view untrusted;
	void *map = mmap(NULL, DEVICE_STATE_SIZE, PROT_READ, MAP_SHARED, state, 0);
	if (map == MAP_FAILED) {
		return;
	}
	if (device_state_read(map, &untrusted)) {
		for (unsigned i = 0; i < TRAP_CLASS_COUNT; i++) {
			untrusted_counts[i] += untrusted.state.traps[i];
		}
	}
	munmap(map, DEVICE_STATE_SIZE);
}

bool gpu_count_input_traps(const struct gpu *gpu, uint64_t ret_untrusted[TRAP_CLASS_COUNT]) {
	memset(ret_untrusted, 0, TRAP_CLASS_COUNT * sizeof(ret_untrusted[0]));
	for (unsigned i = LINK_FUNCTION_GPU + 1; i < gpu->functions; i++) {
		count_traps(gpu->fds[LINK_FD_OF(i, LINK_PORT_STATE)], ret_untrusted);
	}
	return gpu->functions > 1;
}

void gpu_ports_remove(struct gpu *gpu) {
	for (unsigned i = 0; i < gpu->functions; i++) {
		if (gpu->fds[LINK_FD_OF(i, LINK_PORT_LISTENER)] >= 0) {
			unlink(gpu->sockets[i]);
		}
		free(gpu->sockets[i]);
		gpu->sockets[i] = NULL;
	}
}
