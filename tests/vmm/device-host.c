#include "device-host.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "memfd.h"

#define MIB (1024 * 1024)

/* Where a VMM connects to a function. */
static int listen_at(const char *path, int *ret) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	memcpy(address.sun_path, path, strnlen(path, sizeof(address.sun_path) - 1));
	*ret = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (*ret < 0 || bind(*ret, (struct sockaddr *)&address, sizeof(address)) < 0 ||
		listen(*ret, 16) < 0) {
		return -errno;
	}
	return 0;
}

static int make_port(struct device_host *host, enum link_function function) {
	int *fds = &host->fds[LINK_FD_OF(function, 0)];
	fds[LINK_PORT_STATE] = memfd_create_sealed("state", DEVICE_STATE_SIZE);
	if (fds[LINK_PORT_STATE] < 0) {
		return fds[LINK_PORT_STATE];
	}
	int replies[2];
	if (pipe2(replies, O_CLOEXEC | O_NONBLOCK) < 0) {
		return -errno;
	}
	fds[LINK_PORT_REPLIES_READ] = replies[0];
	fds[LINK_PORT_REPLIES_WRITE] = replies[1];
	return listen_at(host->paths[function], &fds[LINK_PORT_LISTENER]);
}

static int make_ports(struct device_host *host) {
	static unsigned count;
	const char *folder = getenv("XDG_RUNTIME_DIR");
	int error = 0;
	count++;
	for (unsigned i = 0; i < host->setup.functions && error == 0; i++) {
		int length =
			snprintf(host->paths[i], sizeof(host->paths[i]), "%s/mock-%d-%u-%u.sock",
				folder != NULL ? folder : "/tmp", (int)getpid(), count, i);
		error = length < (int)sizeof(host->paths[i]) ? make_port(host, i) : -ENAMETOOLONG;
	}
	return error;
}

/* Where a later mulliond would connect (nobody does), and what leads from the reader. */
static int make_link_ends(struct device_host *host) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int links = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	host->fds[LINK_FD_LINKS] = links;
	if (links < 0 || bind(links, (struct sockaddr *)&address, sizeof(address.sun_family)) < 0 ||
		listen(links, 1) < 0 ||
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, host->messages) < 0) {
		return -errno;
	}
	return 0;
}

static int make_memory(struct device_host *host) {
	int slice_fd = memfd_create_sealed("slice", host->slice_size);
	int state_fd = host->fds[LINK_FD_OF(LINK_FUNCTION_GPU, LINK_PORT_STATE)];
	host->fds[LINK_FD_SLICE] = slice_fd;
	if (slice_fd < 0) {
		return slice_fd;
	}
	void *slice = mmap(NULL, host->slice_size, PROT_READ | PROT_WRITE, MAP_SHARED, slice_fd, 0);
	host->slice = slice != MAP_FAILED ? slice : NULL;
	void *state = mmap(NULL, DEVICE_STATE_SIZE, PROT_READ, MAP_SHARED, state_fd, 0);
	host->state_file = state != MAP_FAILED ? state : NULL;
	return host->slice == NULL || host->state_file == NULL ? -ENOMEM : 0;
}

static void make_setup(struct device_host *host, const struct device_options *options) {
	host->setup = (struct link_setup){
		.version = LINK_VERSION,
		.personality =
			options->personality != 0 ? options->personality : LINK_PERSONALITY_BOCHS,
		.heads = options->heads != 0 ? options->heads : 1,
		.follow = options->follow,
		.hidden_refresh = options->hidden_refresh != 0 ? options->hidden_refresh : 1000,
		.guest = options->guest != 0 ? options->guest : 1,
		.prefer_width = options->width != 0 ? options->width : 1024,
		.prefer_height = options->height != 0 ? options->height : 768,
		.refresh = 60000,
		.functions = options->functions != 0 ? options->functions : 1,
		.slice_size = host->slice_size,
		.aperture_size =
			options->aperture_size != 0 ? options->aperture_size : host->slice_size,
		.slice_base = 0x100000000,
	};
	snprintf(host->setup.name, sizeof(host->setup.name), "%s",
		options->name != NULL ? options->name : "test");
}

static int send_setup(struct device_host *host) {
	struct link_message message = {.type = LINK_SETUP, .setup = host->setup};
	int error = link_send(host->link, &message, host->fds, LINK_FDS_OF(host->setup.functions));
	if (error == 0) {
		error = keeper_send(&host->keeper, host->link);
	}
	message.type = LINK_GO;
	return error < 0 ? error : link_send(host->link, &message, NULL, 0);
}

static void take_message(struct device_host *host, const struct link_message *message, int *fds) {
	if (message->type == LINK_STORE) {
		keeper_store(&host->keeper, &message->key, fds[0]);
	} else if (message->type == LINK_DROP) {
		keeper_drop(&host->keeper, &message->key);
	} else {
		link_send(host->messages[1], message, NULL, 0);
	}
}

/* Until the link's end: the device's death, or device_host_stop(). */
static void *read_link(void *data) {
	struct device_host *host = data;
	struct pollfd link = {.fd = host->link, .events = POLLIN};
	for (;;) {
		struct link_message message;
		int fds[FD_MAX];
		size_t n = 0;
		poll(&link, 1, -1);
		int result = link_receive(host->link, &message, fds, &n);
		if (result == 1) {
			take_message(host, &message, fds);
		} else if (result != -EAGAIN && result != -EINTR) {
			return NULL;
		}
	}
}

static void stop_reading(struct device_host *host) {
	if (host->reading) {
		pthread_join(host->reader, NULL);
		host->reading = false;
	}
	host->link = fd_close(host->link);
}

/* Starts the program on a new link. */
static int start_device(struct device_host *host) {
	int pair[2], log = host->process.log;
	int error = keeper_pair(pair);
	if (error < 0) {
		return error;
	}
	host->link = pair[0];
	// The leak check at the end of a sanitized device needs what no sandbox allows.
	bool sandbox = getenv("MULLION_SANITIZED") == NULL;
	char *argv[5] = {"mullion-device"}, **next = &argv[1];
	if (!sandbox) {
		*next++ = "--no-sandbox";
	}
	if (host->alone != NULL) {
		*next++ = "--alone";
		*next++ = (char *)host->alone;
	}
	error = process_start(&host->process, argv, &pair[1], 1, NULL);
	close(pair[1]);
	fd_close(log);
	if (error == 0) {
		error = send_setup(host);
	}
	if (error == 0) {
		error = -pthread_create(&host->reader, NULL, read_link, host);
		host->reading = error == 0;
	}
	return error;
}

int device_host_start(struct device_host *host, const struct device_options *options) {
	static const struct device_options defaults;
	*host = (struct device_host){
		.process.log = -1,
		.link = -1,
		.messages = {-1, -1},
	};
	memset(host->fds, -1, sizeof(host->fds));
	keeper_init(&host->keeper);
	options = options != NULL ? options : &defaults;
	host->slice_size = options->slice_size != 0 ? options->slice_size : 16 * MIB;
	host->alone = options->alone;
	make_setup(host, options);
	int error = make_ports(host);
	if (error == 0) {
		error = make_memory(host);
	}
	if (error == 0) {
		error = make_link_ends(host);
	}
	return error == 0 ? start_device(host) : error;
}

int device_host_replace(struct device_host *host) {
	kill(host->process.pid, SIGKILL);
	int status;
	while (waitpid(host->process.pid, &status, 0) < 0 && errno == EINTR) {
	}
	stop_reading(host);
	return start_device(host);
}

int device_host_adopt(const struct device_host *host) {
	struct sockaddr_un address;
	socklen_t size = sizeof(address);
	if (getsockname(host->fds[LINK_FD_LINKS], (struct sockaddr *)&address, &size) < 0) {
		return -errno;
	}
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, size) < 0) {
		int error = -errno;
		fd_close(fd);
		return error;
	}
	return fd < 0 ? -errno : fd;
}

const struct device_state *device_host_state(struct device_host *host) {
	if (!device_state_read(host->state_file, &host->view)) {
		host->view = (struct device_state_view){0};
	}
	return &host->view.state;
}

const volatile struct device_state_live *device_host_live(const struct device_host *host) {
	return &host->state_file->live;
}

int device_host_stop(struct device_host *host) {
	int status = process_stop(&host->process);
	if (host->slice != NULL) {
		munmap(host->slice, host->slice_size);
		host->slice = NULL;
	}
	if (host->state_file != NULL) {
		munmap((void *)host->state_file, DEVICE_STATE_SIZE);
		host->state_file = NULL;
	}
	stop_reading(host);
	keeper_clear(&host->keeper);
	fd_close_many(host->messages, 2);
	for (unsigned i = 0; i < LINK_FUNCTIONS; i++) {
		if (host->fds[LINK_FD_OF(i, LINK_PORT_LISTENER)] >= 0) {
			unlink(host->paths[i]);
		}
	}
	fd_close_many(host->fds, LINK_FDS_MAX);
	return status;
}

int device_host_display(struct device_host *host, int fd) {
	struct link_message message = {.type = LINK_DISPLAY};
	return link_send(host->link, &message, &fd, 1);
}

int device_host_receive(struct device_host *host, struct link_message *ret, int timeout_msec) {
	struct pollfd poll_fd = {.fd = host->messages[0], .events = POLLIN};
	int ready = poll(&poll_fd, 1, timeout_msec);
	if (ready <= 0) {
		return ready == 0 ? -ETIMEDOUT : -errno;
	}
	int fds[FD_MAX];
	size_t n = 0;
	int result = link_receive(host->messages[0], ret, fds, &n);
	if (result > 0) {
		fd_close_many(fds, n);
	}
	return result;
}

static unsigned count_kept(const struct device_host *host, enum link_function function) {
	const int *fds = host->keeper.fds + function * LINK_FUNCTION_SLOTS;
	unsigned n = 0;
	for (unsigned slot = 0; slot < LINK_FUNCTION_SLOTS; slot++) {
		n += __atomic_load_n(&fds[slot], __ATOMIC_RELAXED) >= 0;
	}
	return n;
}

unsigned device_host_wait_kept(
	const struct device_host *host, enum link_function function, unsigned n, int timeout_msec) {
	uint64_t end = clock_usec() + (uint64_t)timeout_msec * USEC_PER_MSEC;
	unsigned now = count_kept(host, function);
	while (now != n && clock_usec() < end) {
		usleep(500);
		now = count_kept(host, function);
	}
	return now;
}

int device_host_wait_fds(struct device_host *host, int fds, int timeout_msec) {
	uint64_t end = clock_usec() + (uint64_t)timeout_msec * USEC_PER_MSEC;
	int now = process_fds(host->process.pid);
	while (now != fds && clock_usec() < end) {
		usleep(500);
		now = process_fds(host->process.pid);
	}
	return now;
}
