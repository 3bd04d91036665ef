#ifndef GPU_PARTITION_GPU_H
#define GPU_PARTITION_GPU_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "config.h"
#include "device-link.h"
#include "device-state.h"
#include "process.h"
#include "vram.h"

/*
 * One guest's GPU as the graphics VMM holds it: its slice of the VRAM, the state memfd,
 * the socket for its VMM, and the mullion-device process that serves it. That process is
 * not trusted: it gets this guest's memory and nothing else. Callbacks come from the
 * event loop; only ended() may finish the GPU.
 */
struct gpu_ops {
	void (*input)(void *data, const struct link_input *input);
	/* A VMM connected or went, or the display's viewer went. */
	void (*changed)(void *data);
	/* The process no longer speaks the link's protocol. */
	void (*lost)(void *data, const char *reason);
	/* The process has ended. */
	void (*ended)(void *data, const char *reason);
};

struct gpu {
	struct vram *vram;           // borrowed
	const char *name;            // borrowed: the guest's
	uint64_t base, limit;        // in the VRAM map; limit 0: no slice
	int slice_fd, state_fd;      // owned, -1 when closed
	struct device_state *state;  // owned map, read-only; written by the device: untrusted
	char *socket, *link_socket;  // owned: paths; ours to remove while their listeners are
	int listener, link_listener; // owned, -1 when closed
	int replies[2];              // owned, -1 when closed: the pipe of replies to the VMM
	struct process process;
	int link;                     // owned, -1 when closed
	sd_event_source *link_source; // owned
	sd_event_source *viewer;      // owned: the process that shows the display
	bool connected;               // a VMM is, to the GPU
	sd_event *event;              // owned reference
	const struct gpu_ops *ops;
	void *data;
};

/*
 * Places the slice and starts the device. Returns 0; or -1 with one line of reason (see
 * refuse()), the GPU then needs no finish.
 */
int gpu_start(struct gpu *gpu, sd_event *event, const struct config_guest *guest, struct vram *vram,
	const struct gpu_ops *ops, void *data, char **ret_reason);

/*
 * Shows the guest on a connected Wayland socket, which stays the caller's. viewer is a
 * pidfd of whoever is at its other end; it becomes the GPU's. Returns 0 or -errno.
 */
int gpu_show(struct gpu *gpu, int display, int viewer);

bool gpu_shown(const struct gpu *gpu);

/* One consistent copy of the device's state, of which only the head is checked. */
bool gpu_read_state(const struct gpu *gpu, struct device_state *ret_untrusted);

/* Tells the device to end, or ends it; ended() follows. */
void gpu_terminate(struct gpu *gpu);
void gpu_kill(struct gpu *gpu);

/* Kills the device, gives the slice back, frees its memory. Safe on a finished GPU. */
void gpu_finish(struct gpu *gpu);

#endif
