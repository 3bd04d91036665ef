#ifndef GPU_PARTITION_GPU_H
#define GPU_PARTITION_GPU_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "config.h"
#include "device-link.h"
#include "device-state.h"
#include "fd-store.h"
#include "gpu-device.h"
#include "guest-record.h"
#include "vram.h"

/*
 * One guest's GPU as the graphics VMM holds it: its slice of the VRAM, the state memfd,
 * the sockets for its VMM, and the mullion-device process that serves it. That process is
 * not trusted: it gets this guest's memory and nothing else. Callbacks come from the
 * event loop; only ended() may finish the GPU.
 */
struct gpu_ops {
	void (*input)(void *data, const struct link_input *input);
	/* A VMM connected or went, the display's viewer went. */
	void (*changed)(void *data);
	/* The process has ended, and another one takes its place. */
	void (*replaced)(void *data);
	/* The process has ended, and no other follows. */
	void (*ended)(void *data, const char *reason);
};

/* What all GPUs share, and what outlives one: all borrowed. */
struct gpu_home {
	struct vram *vram;
	struct fd_shelf *shelf; // the guest's
	int group;              // the guest's cgroup, which its memory is charged to; or -1
};

struct gpu {
	struct vram *vram;                     // borrowed
	struct fd_shelf *shelf;                // borrowed
	int group;                             // borrowed, while it starts
	const char *name;                      // borrowed: the guest's
	uint64_t base, limit;                  // in the VRAM map; limit 0: no slice
	uint64_t aperture;                     // bytes at its start
	unsigned functions;                    // that its device has
	int fds[LINK_FDS_MAX];                 // owned, -1 when closed: see LINK_SETUP
	const struct device_state_file *state; // owned map, read-only; the device writes it
	char *sockets[LINK_FUNCTIONS]; // owned: paths; ours to remove while their listeners are
	char *link_socket;             // likewise
	struct gpu_device device;
	sd_event_source *viewer; // owned: the process that shows the display
	sd_event *event;         // owned reference
	const struct gpu_ops *ops;
	void *data;
};

/*
 * Places the slice and starts the device. Returns 0; or -1 with one line of reason (see
 * refuse()), the GPU then needs no finish.
 */
int gpu_start(struct gpu *gpu, sd_event *event, const struct config_guest *guest,
	const struct gpu_home *home, const struct gpu_ops *ops, void *data, char **ret_reason);

/*
 * Takes over the device, started by an earlier mulliond, at the other end of a connection
 * to its link listener, by what the record says. name is borrowed for the GPU's life; the
 * link becomes the GPU's, also on failure. Waits for the device until the deadline
 * (CLOCK_MONOTONIC, us). Returns 0; -ESRCH where no such device is there any more, which
 * gpu_revive() can mend after gpu_finish(); or -1: there may then be a process to kill. With
 * either comes one line of reason.
 */
int gpu_adopt(struct gpu *gpu, sd_event *event, const char *name, const struct guest_record *record,
	const struct gpu_home *home, int link, uint64_t deadline, const struct gpu_ops *ops,
	void *data, char **ret_reason);

/* The reason for -ESRCH. */
#define GPU_GONE "its GPU process (mullion-device) ended while no mulliond ran"

/* True where the descriptors, as fd_shelf_take() gives them, are all that a device needs. */
bool gpu_can_revive(const struct guest_record *record, const int *fds);

/*
 * Starts a device in the place of one that died with its mulliond, on what the shelf kept of
 * it: FD_SHELF_SLOTS descriptors, which become the GPU's, also on failure. name is borrowed.
 * Returns 0; or -1 with one line of reason.
 */
int gpu_revive(struct gpu *gpu, sd_event *event, const char *name,
	const struct guest_record *record, const struct gpu_home *home, const int *fds,
	const struct gpu_ops *ops, void *data, char **ret_reason);

/* What the guest is to see, by its file. */
enum link_personality gpu_personality(const struct config_guest *guest);

/* An empty GPU, and the parts of starting one that adopting shares. 0 or -errno. */
void gpu_init(struct gpu *gpu, sd_event *event, const char *name, const struct gpu_home *home,
	const struct gpu_ops *ops, void *data);
void gpu_init_device(struct gpu *gpu, const struct link_setup *setup, bool sandbox);
int gpu_map_state(struct gpu *gpu);
void gpu_keep_fds(struct gpu *gpu);              // in the shelf
int gpu_set_viewer(struct gpu *gpu, int viewer); // a pidfd, which becomes the GPU's

/*
 * Shows the guest on a connected Wayland socket, which stays the caller's. viewer is a
 * pidfd of whoever is at its other end; it becomes the GPU's. Returns 0 or -errno.
 */
int gpu_show(struct gpu *gpu, int display, int viewer);

bool gpu_shown(const struct gpu *gpu);

/* One consistent copy of the device's state; false where there is none. */
bool gpu_read_state(const struct gpu *gpu, struct device_state_view *ret_untrusted);

/* Adds up what the guest's input trapped for; false where its device has no such functions. */
bool gpu_count_input_traps(const struct gpu *gpu, uint64_t ret_untrusted[TRAP_CLASS_COUNT]);

/* True where no process serves it, and none follows. */
bool gpu_is_gone(const struct gpu *gpu);

/* Tells the device to end, or ends it; ended() follows, unless it is gone. */
void gpu_terminate(struct gpu *gpu);
void gpu_kill(struct gpu *gpu);

/* Kills the device, gives the slice back, frees its memory. Safe on a finished GPU. */
void gpu_finish(struct gpu *gpu);

#endif
