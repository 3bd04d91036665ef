#ifndef GPU_PARTITION_GUESTS_H
#define GPU_PARTITION_GUESTS_H

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-event.h>

#include "config.h"
#include "guest.h"
#include "vram.h"

/* All guests of the configuration, and the pool that they share. */
struct guests {
	sd_event *event;      // owned reference
	struct config config; // owned
	struct vram vram;
	struct fd_store store;
	int cgroups;            // owned: see sandbox_cgroup_root(), -1 where there is none
	struct guest **list;    // owned, len of them, in the order of names; orphans last
	struct config *orphans; // owned, of guests that run without a file
	size_t orphans_len;
	size_t len;
	sd_event_source *notify; // owned; changes of a short time are told once
	uint64_t notified;       // us, when last
	bool closing;            // no guest may start any more
	void (*changed)(void *data);
	void *data;
};

/*
 * Takes the configuration over, also on failure. changed() comes from the event loop after
 * any guest changed. Returns 0 or -errno.
 */
int guests_init(struct guests *guests, sd_event *event, struct config *config,
	void (*changed)(void *data), void *data);

/* Kills what runs; safe on a zeroed one. */
void guests_finish(struct guests *guests);

struct guest *guests_find(const struct guests *guests, const char *name);

/*
 * Takes over what an earlier mulliond has left running, and tidies up after the rest. Waits
 * a bounded time for the guests' devices.
 */
void guests_adopt(struct guests *guests);

/*
 * Adds a guest that runs though its file is gone, as the record describes it. It belongs to
 * the guests. NULL without memory, or where there are too many.
 */
struct guest *guests_add_orphan(
	struct guests *guests, const char *name, const struct guest_record *record);

/* Starts those with autostart. */
void guests_autostart(struct guests *guests);

/* Stops all in order, or at once; changed() follows. No guest starts afterwards. */
void guests_stop_all(struct guests *guests);
void guests_kill_all(struct guests *guests);

/* True where nothing of any guest runs. */
bool guests_are_off(const struct guests *guests);

#endif
