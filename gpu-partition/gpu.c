#include "gpu.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"
#include "gpu-ports.h"
#include "guest-socket.h"
#include "memfd.h"
#include "refuse.h"
#include "sandbox-cgroup.h"

static int place_slice(struct gpu *gpu, const struct config_guest *guest, char **ret_reason) {
	gpu->aperture = guest->aperture;
	int error = vram_place(gpu->vram, guest->name, guest->vram, gpu->aperture, &gpu->base);
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
	gpu->fds[LINK_FD_SLICE] =
		memfd_create_sealed_by(name, gpu->limit, sandbox_cgroup_allocate, gpu->group);
	if (gpu->fds[LINK_FD_SLICE] < 0) {
		return refuse(ret_reason,
			"no memory for a slice of %" PRIu64 " MiB (%s): end something, or lower "
			"'vram' in %s",
			gpu->limit >> 20, strerror(-gpu->fds[LINK_FD_SLICE]), guest->file);
	}
	return 0;
}

int gpu_map_state(struct gpu *gpu) {
	void *state = mmap(NULL, DEVICE_STATE_SIZE, PROT_READ, MAP_SHARED,
		gpu->fds[LINK_FD_OF(LINK_FUNCTION_GPU, LINK_PORT_STATE)], 0);
	if (state == MAP_FAILED) {
		return -errno;
	}
	gpu->state = state;
	return 0;
}

/* Where a later mulliond finds the device. */
static int make_link_socket(struct gpu *gpu, char **ret_reason) {
	gpu->link_socket = guest_socket_link_path(gpu->name, ret_reason);
	if (gpu->link_socket == NULL) {
		return -1;
	}
	gpu->fds[LINK_FD_LINKS] = guest_socket_listen(gpu->link_socket, SOCK_SEQPACKET, ret_reason);
	return gpu->fds[LINK_FD_LINKS] < 0 ? -1 : 0;
}

static void handle_input(void *data, const struct link_input *input) {
	struct gpu *gpu = data;
	gpu->ops->input(gpu->data, input);
}

static void handle_changed(void *data) {
	struct gpu *gpu = data;
	gpu->ops->changed(gpu->data);
}

/* Whoever shows the guest sees its window's client vanish, and presents a new socket. */
static void handle_replaced(void *data) {
	struct gpu *gpu = data;
	gpu->viewer = sd_event_source_disable_unref(gpu->viewer);
	gpu->ops->replaced(gpu->data);
}

static void handle_ended(void *data, const char *reason) {
	struct gpu *gpu = data;
	gpu->ops->ended(gpu->data, reason);
}

static const struct gpu_device_ops device_ops = {
	.input = handle_input,
	.changed = handle_changed,
	.replaced = handle_replaced,
	.ended = handle_ended,
};

void gpu_init_device(struct gpu *gpu, const struct link_setup *setup, bool sandbox) {
	gpu_device_init(&gpu->device, gpu->event, setup, sandbox, gpu->fds, &device_ops, gpu);
	gpu->device.shelf = gpu->shelf;
}

void gpu_keep_fds(struct gpu *gpu) {
	for (unsigned i = 0; i < LINK_FDS_OF(gpu->functions); i++) {
		fd_shelf_put(gpu->shelf, i, gpu->fds[i]);
	}
}

enum link_personality gpu_personality(const struct config_guest *guest) {
	switch (guest->personality) {
	case CONFIG_PERSONALITY_VIRTIO_VGA:
		return LINK_PERSONALITY_VIRTIO_VGA;
	case CONFIG_PERSONALITY_VIRTIO_GPU:
		return LINK_PERSONALITY_VIRTIO_GPU;
	case CONFIG_PERSONALITY_BOCHS:
		break;
	}
	return LINK_PERSONALITY_BOCHS;
}

static int start_device(struct gpu *gpu, const struct config_guest *guest, char **ret_reason) {
	struct link_setup setup = {
		.version = LINK_VERSION,
		.personality = gpu_personality(guest),
		.guest = guest->number,
		.prefer_width = guest->width,
		.prefer_height = guest->height,
		.refresh = guest->refresh,
		.heads = guest->heads,
		.follow = guest->follow,
		.functions = gpu->functions,
		.hidden_refresh = guest->hidden_refresh,
		.slice_size = gpu->limit,
		.aperture_size = gpu->aperture,
		.slice_base = gpu->base,
	};
	snprintf(setup.name, sizeof(setup.name), "%s", guest->name);
	gpu_init_device(gpu, &setup, guest->sandbox);
	gpu_keep_fds(gpu);
	return gpu_device_start(&gpu->device, ret_reason);
}

static int start(struct gpu *gpu, const struct config_guest *guest, char **ret_reason) {
	const char *external = guest->vmm == CONFIG_VMM_EXTERNAL ? guest->socket : NULL;
	gpu->functions = guest->input == CONFIG_INPUT_VIRTIO ? LINK_FUNCTIONS : 1;
	if (place_slice(gpu, guest, ret_reason) < 0 || make_memory(gpu, guest, ret_reason) < 0 ||
		gpu_ports_make(gpu, external, ret_reason) < 0 ||
		make_link_socket(gpu, ret_reason) < 0) {
		return -1;
	}
	int error = gpu_map_state(gpu);
	if (error < 0) {
		return refuse(ret_reason, "the GPU's state cannot be mapped: %s", strerror(-error));
	}
	return start_device(gpu, guest, ret_reason);
}

void gpu_init(struct gpu *gpu, sd_event *event, const char *name, const struct gpu_home *home,
	const struct gpu_ops *ops, void *data) {
	*gpu = (struct gpu){
		.vram = home->vram,
		.shelf = home->shelf,
		.group = home->group,
		.name = name,
		.event = sd_event_ref(event),
		.ops = ops,
		.data = data,
	};
	memset(gpu->fds, -1, sizeof(gpu->fds));
}

int gpu_start(struct gpu *gpu, sd_event *event, const struct config_guest *guest,
	const struct gpu_home *home, const struct gpu_ops *ops, void *data, char **ret_reason) {
	gpu_init(gpu, event, guest->name, home, ops, data);
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

static int watch_viewer(struct gpu *gpu, int viewer, sd_event_source **ret) {
	int error = sd_event_add_io(gpu->event, ret, viewer, EPOLLIN, handle_viewer, gpu);
	if (error < 0) {
		fd_close(viewer);
		return error;
	}
	sd_event_source_set_io_fd_own(*ret, 1);
	return 0;
}

int gpu_set_viewer(struct gpu *gpu, int viewer) {
	sd_event_source *source;
	int error = watch_viewer(gpu, viewer, &source);
	if (error == 0) {
		sd_event_source_disable_unref(gpu->viewer);
		gpu->viewer = source;
	}
	return error;
}

int gpu_show(struct gpu *gpu, int display, int viewer) {
	if (gpu_is_gone(gpu)) {
		fd_close(viewer);
		return -ENOTCONN;
	}
	sd_event_source *source;
	int error = watch_viewer(gpu, viewer, &source);
	if (error < 0) {
		return error;
	}
	error = gpu_device_show(&gpu->device, display);
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

bool gpu_read_state(const struct gpu *gpu, struct device_state_view *ret_untrusted) {
	return gpu->state != NULL && device_state_read(gpu->state, ret_untrusted);
}

bool gpu_is_gone(const struct gpu *gpu) {
	return gpu_device_is_gone(&gpu->device);
}

void gpu_terminate(struct gpu *gpu) {
	gpu_device_end(&gpu->device, SIGTERM);
}

void gpu_kill(struct gpu *gpu) {
	gpu_device_end(&gpu->device, SIGKILL);
}

void gpu_finish(struct gpu *gpu) {
	if (gpu->vram == NULL) {
		return;
	}
	fd_shelf_clear(gpu->shelf);
	gpu_device_finish(&gpu->device);
	sd_event_source_disable_unref(gpu->viewer);
	gpu_ports_remove(gpu);
	if (gpu->fds[LINK_FD_LINKS] >= 0) {
		unlink(gpu->link_socket);
	}
	free(gpu->link_socket);
	if (gpu->state != NULL) {
		munmap((void *)gpu->state, DEVICE_STATE_SIZE);
	}
	fd_close_many(gpu->fds, LINK_FDS_MAX);
	if (gpu->limit != 0) {
		vram_release(gpu->vram, gpu->name);
	}
	sd_event_unref(gpu->event);
	*gpu = (struct gpu){0};
}
