#ifndef GPU_PARTITION_GUEST_H
#define GPU_PARTITION_GUEST_H

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "backoff.h"
#include "config.h"
#include "gpu.h"
#include "machine.h"
#include "qemu-probe.h"

/*
 * One guest's life. A start either ends in running or leaves nothing behind; from then
 * on its GPU process and its QEMU live and end together. One that ran and ended by itself
 * starts again where its file says so.
 */

enum guest_state {
	GUEST_OFF,      // reason: why the last start was refused
	GUEST_STARTING, // checks, GPU, QEMU, until its processors run
	GUEST_RUNNING,
	GUEST_STOPPING, // until its last process is gone
	GUEST_FAILED,   // reason: why
};

struct guest_ops {
	/* Anything that is shown of it changed. */
	void (*changed)(void *data);
};

struct guest {
	const struct config_host *host;    // borrowed
	const struct config_guest *config; // borrowed
	enum guest_state state;
	char *reason; // owned; NULL where nothing is wrong
	char *lost;   // owned: whom it lost, until that process ends
	struct gpu gpu;
	struct fd_shelf shelf;    // what of the GPU outlives even mulliond
	struct machine machine;   // for vmm = qemu
	int display, viewer;      // owned, -1 when closed: shown as soon as there is a GPU
	bool orphan;              // its file was removed: it does not start again
	bool asked;               // its end was asked for
	bool ending;              // its processes are being ended
	struct qemu_probe *probe; // owned; while QEMU is asked what it can
	struct qemu_needs needs;  // from check to start
	unsigned step;            // of stopping
	sd_event_source *timer;   // owned: the start's or the stopping step's limit
	bool ran;                 // since its start
	struct backoff backoff;   // of its restarts
	sd_event_source *again;   // owned: while it waits for one
	sd_event *event;          // owned reference
	struct vram *vram;        // borrowed
	int cgroups;              // borrowed: see sandbox_cgroup_root(); set once it is made
	int group;                // owned: its cgroup while it runs, -1 where there is none
	pid_t grouped[2];         // which of its processes are in there: GPU's, QEMU
	const struct guest_ops *ops;
	void *data;
};

/* Returns a guest that is off, or NULL. host, config, vram and store are borrowed. */
struct guest *guest_create(sd_event *event, const struct config_host *host,
	const struct config_guest *config, struct vram *vram, struct fd_store *store,
	const struct guest_ops *ops, void *data);

/* Kills what runs; accepts NULL. */
void guest_destroy(struct guest *guest);

/* Starts a guest that is off or failed; nothing otherwise. Answers by its state. */
void guest_start(struct guest *guest);

/*
 * Takes over a guest that an earlier mulliond started, as the record tells of it: a running
 * one goes on, one whose device is gone as well gets another where the service manager has
 * kept what that needs, and of one that has lost a part the rest is ended. link is a
 * connection to its device, qmp one to its QEMU, each -1 where there is none; both become the
 * guest's. The guest's device must answer before the deadline (CLOCK_MONOTONIC, us).
 */
void guest_adopt(struct guest *guest, const struct guest_record *record, int link, int qmp,
	uint64_t deadline);

/* Power-down, then quit, then kill; where it is off already, it also stays so. */
void guest_stop(struct guest *guest);

/* Ends its processes at once; where it is off already, it also stays so. */
void guest_kill(struct guest *guest);

/*
 * Shows a guest that starts or runs on a connected Wayland socket, which stays the
 * caller's. viewer is a pidfd of whoever is at its other end; it becomes the guest's.
 * While the guest has no GPU yet the socket is kept for it. Returns 0 or -errno.
 */
int guest_show(struct guest *guest, int display, int viewer);

/* True where nothing of it runs. */
bool guest_is_off(const struct guest *guest);

const char *guest_state_name(enum guest_state state);

#endif
