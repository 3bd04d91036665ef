#ifndef GUEST_BRIDGE_HEAD_H
#define GUEST_BRIDGE_HEAD_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "bridge.h"
#include "desktop.h"
#include "flushes.h"
#include "pace.h"
#include "publish.h"
#include "resize.h"

/*
 * One head of a bridge: its surface while there is a connection, when to look for what has
 * changed or to commit what was told, and what is to be told to the guest. All that it
 * commits it commits from the event loop: whatever comes at once is one commit.
 */

struct head;

struct head_ops {
	/* Requests were made outside of the connection's events: send them. */
	void (*sent)(void *data);
	/* The picture has another size, or the display was turned on or off. */
	void (*sized)(void *data);
};

struct head {
	unsigned number;
	const struct bridge_setup *setup; // the bridge's
	const struct head_ops *ops;
	void *data;
	sd_event_source *at_once; // owned: what is due now
	sd_event_source *timer;   // owned: what is due later
	uint64_t armed;           // time of the timer, PACE_NEVER where it is off
	bool told;                // its changes are told, or its display is off
	struct flushes flushes;
	struct resize resize;
	uint32_t width, height; // of the last picture of this connection; 0: there was none
	bool lit;               // it was not that of a display that is off

	bool closed; // its user has closed its window; whoever owns the head resets it

	// One connection.
	struct wayland *wayland; // NULL while there is none
	struct desktop desktop;
	struct publish publish;
	struct pace pace;
	bool configured; // buffers may be committed
	bool starved;    // publish waits for a buffer
};

/* setup, which the caller keeps, outlives the head. Returns 0 or -errno. */
int head_init(struct head *head, unsigned number, const struct bridge_setup *setup,
	const struct head_ops *ops, void *data);

/* Safe on a zeroed one. Not while it is connected. */
void head_finish(struct head *head);

/* Makes its surface on a connection that is ready, and that outlives head_disconnect(), as
 * does the pool. Returns 0 or -errno, as desktop_init(); safe to disconnect either way. */
int head_connect(struct head *head, struct wayland *wayland, struct publish_pool *pool);
void head_disconnect(struct head *head);

/* Events were handled: sees to it that what is to be done next is done. */
void head_schedule(struct head *head);

/* As the functions of the bridge. */
void head_scanout_changed(struct head *head);
void head_keep(struct head *head);
void head_drawn(struct head *head);
void head_flipped(struct head *head, const struct damage_boxes *boxes);
void head_flushed(struct head *head, const struct damage_boxes *boxes);

/* The guest has been given input. */
void head_wake(struct head *head);

/* Whether that is its surface. */
bool head_owns(const struct head *head, const struct wl_surface *surface);

#endif
