#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "fd.h"
#include "gpu-ports.h"
#include "guest-socket.h"
#include "refuse.h"

/* For a process that was killed to be gone. */
#define DEATH_MS 1000

/* More than the longest adoption has, few enough for a device that never comes to its end. */
#define MESSAGES_MAX 2048

/*
 * The next message, within the deadline. Returns 0; -ETIMEDOUT, -ESRCH where no process is left
 * to send one, or another -errno.
 */
static int receive(
	struct gpu *gpu, uint64_t deadline, struct link_message *message, int *fds, size_t *n) {
	struct pollfd poll_fds[] = {
		{.fd = gpu->device.link, .events = POLLIN},
		{.fd = process_pidfd(&gpu->device.process), .events = POLLIN},
	};
	for (;;) {
		// What a process has sent is there when it is seen to be gone.
		bool gone = (poll_fds[1].revents & POLLIN) != 0;
		*n = 0;
		int result = link_receive(gpu->device.link, message, fds, n);
		if (result != -EAGAIN && result != -EINTR) {
			return result == 1 ? 0 : result == 0 ? -ECONNRESET : result;
		}
		uint64_t now = clock_usec();
		if (gone || now >= deadline) {
			return gone ? -ESRCH : -ETIMEDOUT;
		}
		poll(poll_fds, 2, (int)((deadline - now) / USEC_PER_MSEC) + 1);
	}
}

/* What the device says of itself, against what mulliond wrote down. NULL, or what is wrong. */
static const char *find_lie(const struct gpu *gpu, const struct guest_record *record,
	const struct link_setup *untrusted, const int *untrusted_fds) {
	if (strcmp(untrusted->name, gpu->name) != 0) {
		return "it is another guest's";
	}
	if (untrusted->functions != record->setup.functions) {
		return "it has other functions than it was given";
	}
	if (untrusted->slice_base != record->base || untrusted->slice_size != record->limit ||
		untrusted->aperture_size != record->aperture) {
		return "its slice lies elsewhere";
	}
	if (memcmp(untrusted, &record->setup, sizeof(*untrusted)) != 0) {
		return "it is another card than it was set up as";
	}
	if (!gpu_is_memory(untrusted_fds[LINK_FD_SLICE], record->limit, record->slice)) {
		return "it has other memory than it was given";
	}
	if (!gpu_is_socket(untrusted_fds[LINK_FD_LINKS], SOCK_SEQPACKET, gpu->link_socket)) {
		return "it has other sockets than it was given";
	}
	return gpu_ports_find_lie(gpu, record, untrusted_fds);
}

/* Ends one that does not answer. Returns -ESRCH when it is gone, -1 where it stays. */
static int kill_mute(struct gpu *gpu) {
	struct pollfd death = {.fd = process_pidfd(&gpu->device.process), .events = POLLIN};
	process_signal(&gpu->device.process, SIGKILL);
	return poll(&death, 1, DEATH_MS) == 1 ? -ESRCH : -1;
}

/* Returns 0; -ESRCH where no process answers, none any more; or -1 for one that lies. */
static int take_setup(
	struct gpu *gpu, const struct guest_record *record, uint64_t deadline, char **ret_reason) {
	struct link_message message;
	int fds[FD_MAX];
	size_t n;
	int error = receive(gpu, deadline, &message, fds, &n);
	if (error < 0) {
		error == -ESRCH
			? refuse(ret_reason, GPU_GONE)
			: refuse(ret_reason, "its GPU process does not answer a new mulliond: %s",
				  strerror(-error));
		return kill_mute(gpu);
	}
	const char *lie = message.type != LINK_ADOPT ? "it breaks the link's protocol"
						     : find_lie(gpu, record, &message.setup, fds);
	if (lie != NULL) {
		fd_close_many(fds, n);
		return refuse(ret_reason, "its GPU process is not to be trusted: %s", lie);
	}
	memcpy(gpu->fds, fds, n * sizeof(*fds));
	// What was kept may not be what it has now.
	fd_shelf_clear(gpu->shelf);
	gpu_keep_fds(gpu);
	return 0;
}

static int place(struct gpu *gpu, const struct guest_record *record, char **ret_reason) {
	int error =
		vram_place_at(gpu->vram, gpu->name, record->base, record->limit, record->aperture);
	if (error < 0) {
		return refuse(
			ret_reason, "its slice has no place in the VRAM map: %s", strerror(-error));
	}
	gpu->base = record->base;
	gpu->limit = record->limit;
	gpu->aperture = record->aperture;
	error = gpu_map_state(gpu);
	if (error < 0) {
		return refuse(ret_reason, "the GPU's state cannot be mapped: %s", strerror(-error));
	}
	return 0;
}

/* Who is at the other end of a display is told by the display, not by the device. */
static void take_display(struct gpu *gpu, int display) {
	pid_t pid;
	int viewer = guest_socket_peer(display, &pid);
	if (viewer >= 0) {
		gpu_set_viewer(gpu, viewer);
	}
}

static bool take_message(struct gpu *gpu, const struct link_message *message, int *fds) {
	switch (message->type) {
	case LINK_STORE: {
		int fd = fds[0];
		fds[0] = -1;
		return gpu_device_keep(&gpu->device, &message->key, fd);
	}
	case LINK_DROP:
		return gpu_device_keep(&gpu->device, &message->key, -1);
	case LINK_VMM:
		gpu->device.connected = message->vmm.connected;
		return true;
	case LINK_SANDBOX:
		gpu->device.untrusted_sandbox = message->sandbox;
		return true;
	case LINK_DISPLAY:
		take_display(gpu, fds[0]);
		return true;
	default:
		return false;
	}
}

static int take_rest(struct gpu *gpu, uint64_t deadline, char **ret_reason) {
	for (unsigned i = 0; i < MESSAGES_MAX; i++) {
		struct link_message message;
		int fds[FD_MAX];
		size_t n;
		int error = receive(gpu, deadline, &message, fds, &n);
		if (error < 0) {
			return refuse(
				ret_reason, "its GPU process broke off: %s", strerror(-error));
		}
		if (message.type == LINK_GO) {
			return 0;
		}
		bool taken = take_message(gpu, &message, fds);
		fd_close_many(fds, n);
		if (!taken) {
			break;
		}
	}
	return refuse(ret_reason, "its GPU process broke the link's protocol");
}

static int adopt(struct gpu *gpu, const struct guest_record *record, int link, uint64_t deadline,
	char **ret_reason) {
	pid_t pid;
	int pidfd = guest_socket_peer(link, &pid);
	if (pidfd < 0) {
		fd_close(link);
		refuse(ret_reason, GPU_GONE);
		return -ESRCH;
	}
	int error = gpu_device_adopt(&gpu->device, pid, pidfd, link);
	gpu->link_socket = guest_socket_link_path(gpu->name, NULL);
	if (gpu_ports_recall(gpu, record) < 0 || gpu->link_socket == NULL) {
		error = -ENOMEM;
	}
	if (error == 0) {
		int answer = take_setup(gpu, record, deadline, ret_reason);
		if (answer < 0) {
			return answer;
		}
		if (place(gpu, record, ret_reason) < 0 ||
			take_rest(gpu, deadline, ret_reason) < 0) {
			return -1;
		}
		error = gpu_device_go_on(&gpu->device);
	}
	if (error < 0) {
		return refuse(
			ret_reason, "its GPU process cannot be watched: %s", strerror(-error));
	}
	return 0;
}

int gpu_adopt(struct gpu *gpu, sd_event *event, const char *name, const struct guest_record *record,
	const struct gpu_home *home, int link, uint64_t deadline, const struct gpu_ops *ops,
	void *data, char **ret_reason) {
	gpu_init(gpu, event, name, home, ops, data);
	gpu_init_device(gpu, &record->setup, record->sandbox);
	return adopt(gpu, record, link, deadline, ret_reason);
}

bool gpu_can_revive(const struct guest_record *record, const int *fds) {
	for (unsigned i = 0; i < LINK_FDS_OF(record->setup.functions); i++) {
		if (fds[i] < 0) {
			return false;
		}
	}
	// A VMM that comes and goes can connect anew.
	for (unsigned i = 0; record->vmm == CONFIG_VMM_QEMU && i < record->setup.functions; i++) {
		const struct link_key connection = {.kind = LINK_KIND_CONNECTION, .function = i};
		if (fds[LINK_FDS_MAX + link_key_slot(&connection)] < 0) {
			return false;
		}
	}
	return true;
}

int gpu_revive(struct gpu *gpu, sd_event *event, const char *name,
	const struct guest_record *record, const struct gpu_home *home, const int *fds,
	const struct gpu_ops *ops, void *data, char **ret_reason) {
	gpu_init(gpu, event, name, home, ops, data);
	gpu_init_device(gpu, &record->setup, record->sandbox);
	memcpy(gpu->fds, fds, sizeof(gpu->fds));
	memcpy(gpu->device.keeper.fds, fds + LINK_FDS_MAX, sizeof(gpu->device.keeper.fds));
	gpu->link_socket = guest_socket_link_path(name, NULL);
	if (gpu_ports_recall(gpu, record) < 0 || gpu->link_socket == NULL) {
		return -1;
	}
	const char *lie = find_lie(gpu, record, &record->setup, gpu->fds);
	if (lie != NULL) {
		return refuse(
			ret_reason, "what the service manager kept is not its GPU's: %s", lie);
	}
	if (place(gpu, record, ret_reason) < 0) {
		return -1;
	}
	for (unsigned i = 0; i < LINK_FDS_MAX + LINK_SLOTS; i++) {
		if (gpu->shelf->fds[i] != fds[i]) {
			fd_shelf_put(gpu->shelf, i, fds[i]);
		}
	}
	// Others have served it: what ends this one need not be what it is given.
	gpu->device.ready = true;
	gpu->device.restarts = 1;
	return gpu_device_start(&gpu->device, ret_reason);
}
