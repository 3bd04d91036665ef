#include "gpu.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "guest-socket.h"
#include "memfd.h"
#include "program.h"
#include "refuse.h"

/* What a device may send: far more than a fast mouse, far less than mulliond can take. */
#define LINK_BURST_US (100 * USEC_PER_MSEC)
#define LINK_BURST 500

#define APERTURE_MAX (UINT64_C(256) << 20)

static uint64_t aperture_of(const struct config_guest *guest) {
	uint64_t aperture = APERTURE_MAX;
	if (guest->aperture != 0) {
		return guest->aperture;
	}
	while (aperture > guest->vram) {
		aperture /= 2;
	}
	return aperture;
}

static int place_slice(struct gpu *gpu, const struct config_guest *guest, char **ret_reason) {
	int error = vram_place(gpu->vram, guest->name, guest->vram, aperture_of(guest), &gpu->base);
	if (error == -ENOSPC) {
		char *map = vram_describe(gpu->vram);
		refuse(ret_reason,
			"a slice of %" PRIu64
			" MiB does not fit into the VRAM map (%s): stop a guest, lower 'vram' in "
			"%s, or raise it in mullion.ini",
			guest->vram >> 20, map != NULL ? map : "?", guest->file);
		free(map);
		return -1;
	}
	if (error < 0) {
		return refuse(ret_reason, "no slice: %s", strerror(-error));
	}
	gpu->limit = guest->vram;
	return 0;
}

static int make_memory(struct gpu *gpu, const struct config_guest *guest, char **ret_reason) {
	char name[CONFIG_NAME_MAX + 32];
	snprintf(name, sizeof(name), "mullion-slice:%s", guest->name);
	gpu->slice_fd = memfd_create_sealed(name, gpu->limit);
	if (gpu->slice_fd < 0) {
		return refuse(ret_reason,
			"no memory for a slice of %" PRIu64 " MiB (%s): end something, or lower "
			"'vram' in %s",
			gpu->limit >> 20, strerror(-gpu->slice_fd), guest->file);
	}
	snprintf(name, sizeof(name), "mullion-state:%s", guest->name);
	gpu->state_fd = memfd_create_sealed(name, DEVICE_STATE_SIZE);
	if (gpu->state_fd < 0) {
		return refuse(
			ret_reason, "no memory for the GPU's state: %s", strerror(-gpu->state_fd));
	}
	void *state = mmap(NULL, DEVICE_STATE_SIZE, PROT_READ, MAP_SHARED, gpu->state_fd, 0);
	if (state == MAP_FAILED) {
		return refuse(ret_reason, "the GPU's state cannot be mapped: %s", strerror(errno));
	}
	gpu->state = state;
	return 0;
}

static int handle_link(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct gpu *gpu = data;
	struct link_message message;
	int fds[FD_MAX];
	size_t n;
	int result = link_receive(fd, &message, fds, &n);
	if (result == -EAGAIN || result == -EINTR) {
		return 0;
	}
	if (result == 1) {
		fd_close_many(fds, n);
		if (message.type == LINK_INPUT) {
			gpu->ops->input(gpu->data, &message.input);
			return 0;
		}
		if (message.type == LINK_VMM) {
			gpu->connected = message.vmm.connected;
			gpu->ops->changed(gpu->data);
			return 0;
		}
	}
	gpu->link_source = sd_event_source_disable_unref(gpu->link_source);
	gpu->connected = false;
	gpu->ops->lost(gpu->data,
		result == 0 ? "its GPU process closed the link"
			    : "its GPU process broke the link's protocol");
	return 0;
}

static void handle_exit(void *data, const siginfo_t *info) {
	struct gpu *gpu = data;
	char how[PROCESS_HOW_MAX], reason[PROCESS_HOW_MAX + 64];
	const char *layer = process_sandbox_failed(info);
	process_how(info, how);
	if (layer != NULL) {
		snprintf(how, sizeof(how), "cannot be shut in (%s): its log says why", layer);
	}
	gpu->connected = false;
	snprintf(reason, sizeof(reason), "its GPU process (mullion-device) %s", how);
	gpu->ops->ended(gpu->data, reason);
}

static int send_setup(struct gpu *gpu, const struct config_guest *guest) {
	struct link_message message = {
		.type = LINK_SETUP,
		.setup =
			{
				.version = LINK_VERSION,
				.personality = LINK_PERSONALITY_BOCHS,
				.guest = guest->number,
				.prefer_width = guest->width,
				.prefer_height = guest->height,
				.refresh = guest->refresh,
				.slice_size = gpu->limit,
				.aperture_size = aperture_of(guest),
				.slice_base = gpu->base,
			},
	};
	const int fds[LINK_FDS] = {
		[LINK_FD_LISTENER] = gpu->listener,
		[LINK_FD_SLICE] = gpu->slice_fd,
		[LINK_FD_STATE] = gpu->state_fd,
		[LINK_FD_REPLIES_READ] = gpu->replies[0],
		[LINK_FD_REPLIES_WRITE] = gpu->replies[1],
		[LINK_FD_LINKS] = gpu->link_listener,
	};
	snprintf(message.setup.name, sizeof(message.setup.name), "%s", guest->name);
	int error = link_send(gpu->link, &message, fds, LINK_FDS);
	message.type = LINK_GO;
	return error < 0 ? error : link_send(gpu->link, &message, NULL, 0);
}

static int spawn(struct gpu *gpu, const struct config_guest *guest, int link, char **ret_reason) {
	char *path = program_find("mullion-device");
	if (path == NULL) {
		return refuse(ret_reason, "mullion-device is not there: install mullion anew");
	}
	const struct sandbox sandbox = {.kind = SANDBOX_KIND_DEVICE};
	char *argv[] = {(char *)"mullion-device", NULL, NULL};
	struct process_spec spec = {path, argv, &link, 1, -1, -1, &sandbox};
	if (!guest->sandbox) {
		spec.sandbox = NULL;
		argv[1] = (char *)"--no-sandbox";
	}
	int error = process_start(&gpu->process, gpu->event, &spec, handle_exit, gpu);
	free(path);
	if (error < 0) {
		return refuse(ret_reason, "mullion-device cannot be started: %s", strerror(-error));
	}
	return 0;
}

static int watch_link(struct gpu *gpu) {
	int error = sd_event_add_io(
		gpu->event, &gpu->link_source, gpu->link, EPOLLIN, handle_link, gpu);
	if (error >= 0) {
		error = sd_event_source_set_ratelimit(gpu->link_source, LINK_BURST_US, LINK_BURST);
	}
	return error;
}

static int start_device(struct gpu *gpu, const struct config_guest *guest, char **ret_reason) {
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		return refuse(ret_reason, "no link to the GPU process: %s", strerror(errno));
	}
	gpu->link = pair[0];
	int error = spawn(gpu, guest, pair[1], ret_reason);
	close(pair[1]);
	if (error < 0) {
		return error;
	}
	error = send_setup(gpu, guest);
	if (error == 0) {
		error = watch_link(gpu);
	}
	if (error < 0) {
		return refuse(ret_reason, "the GPU process cannot be set up: %s", strerror(-error));
	}
	return 0;
}

static int make_sockets(struct gpu *gpu, const struct config_guest *guest, char **ret_reason) {
	const char *external = guest->vmm == CONFIG_VMM_EXTERNAL ? guest->socket : NULL;
	gpu->socket = guest_socket_path(external, guest->name, ret_reason);
	if (gpu->socket == NULL) {
		return -1;
	}
	gpu->listener = guest_socket_listen(gpu->socket, SOCK_STREAM, ret_reason);
	if (gpu->listener < 0) {
		return -1;
	}
	gpu->link_socket = guest_socket_link_path(guest->name, ret_reason);
	if (gpu->link_socket == NULL) {
		return -1;
	}
	gpu->link_listener = guest_socket_listen(gpu->link_socket, SOCK_SEQPACKET, ret_reason);
	return gpu->link_listener < 0 ? -1 : 0;
}

/* The longest reply fits, whatever a user's limit has made of the usual size. */
static int make_pipe(struct gpu *gpu, char **ret_reason) {
	if (pipe2(gpu->replies, O_CLOEXEC | O_NONBLOCK) < 0 ||
		fcntl(gpu->replies[1], F_SETPIPE_SZ, LINK_REPLIES_SIZE) < 0) {
		return refuse(ret_reason, "no pipe for the GPU's replies: %s", strerror(errno));
	}
	return 0;
}

static int start(struct gpu *gpu, const struct config_guest *guest, char **ret_reason) {
	if (place_slice(gpu, guest, ret_reason) < 0 || make_memory(gpu, guest, ret_reason) < 0 ||
		make_sockets(gpu, guest, ret_reason) < 0 || make_pipe(gpu, ret_reason) < 0) {
		return -1;
	}
	return start_device(gpu, guest, ret_reason);
}

int gpu_start(struct gpu *gpu, sd_event *event, const struct config_guest *guest, struct vram *vram,
	const struct gpu_ops *ops, void *data, char **ret_reason) {
	*gpu = (struct gpu){
		.vram = vram,
		.name = guest->name,
		.slice_fd = -1,
		.state_fd = -1,
		.listener = -1,
		.link_listener = -1,
		.replies = {-1, -1},
		.link = -1,
		.event = sd_event_ref(event),
		.ops = ops,
		.data = data,
	};
	if (start(gpu, guest, ret_reason) < 0) {
		gpu_finish(gpu);
		return -1;
	}
	return 0;
}

static int handle_viewer(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct gpu *gpu = data;
	gpu->viewer = sd_event_source_disable_unref(gpu->viewer);
	gpu->ops->changed(gpu->data);
	return 0;
}

int gpu_show(struct gpu *gpu, int display, int viewer) {
	struct link_message message = {.type = LINK_DISPLAY};
	sd_event_source *source = NULL;
	int error = gpu->process.pid == 0
		? -ENOTCONN
		: sd_event_add_io(gpu->event, &source, viewer, EPOLLIN, handle_viewer, gpu);
	if (error < 0) {
		fd_close(viewer);
		return error;
	}
	sd_event_source_set_io_fd_own(source, 1);
	error = link_send(gpu->link, &message, &display, 1);
	if (error < 0) {
		sd_event_source_disable_unref(source);
		return error;
	}
	sd_event_source_disable_unref(gpu->viewer);
	gpu->viewer = source;
	return 0;
}

bool gpu_shown(const struct gpu *gpu) {
	return gpu->viewer != NULL;
}

bool gpu_read_state(const struct gpu *gpu, struct device_state *ret_untrusted) {
	if (gpu->state == NULL) {
		return false;
	}
	memcpy(ret_untrusted, gpu->state, sizeof(*ret_untrusted));
	// The compiler may not look at the shared memory again.
	__asm__ volatile("" ::: "memory");
	return ret_untrusted->magic == DEVICE_STATE_MAGIC &&
		ret_untrusted->version == DEVICE_STATE_VERSION &&
		ret_untrusted->size == sizeof(*ret_untrusted);
}

void gpu_terminate(struct gpu *gpu) {
	process_signal(&gpu->process, SIGTERM);
}

void gpu_kill(struct gpu *gpu) {
	process_signal(&gpu->process, SIGKILL);
}

static void close_listener(int fd, char *path) {
	if (fd >= 0) {
		close(fd);
		unlink(path);
	}
	free(path);
}

void gpu_finish(struct gpu *gpu) {
	if (gpu->vram == NULL) {
		return;
	}
	process_finish(&gpu->process);
	sd_event_source_disable_unref(gpu->link_source);
	sd_event_source_disable_unref(gpu->viewer);
	fd_close(gpu->link);
	close_listener(gpu->listener, gpu->socket);
	close_listener(gpu->link_listener, gpu->link_socket);
	fd_close_many(gpu->replies, 2);
	if (gpu->state != NULL) {
		munmap(gpu->state, DEVICE_STATE_SIZE);
	}
	fd_close(gpu->state_fd);
	fd_close(gpu->slice_fd);
	if (gpu->limit != 0) {
		vram_release(gpu->vram, gpu->name);
	}
	sd_event_unref(gpu->event);
	*gpu = (struct gpu){0};
}
