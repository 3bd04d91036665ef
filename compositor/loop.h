#ifndef COMPOSITOR_LOOP_H
#define COMPOSITOR_LOOP_H

#include <stdbool.h>
#include <systemd/sd-event.h>
#include <wayland-server-core.h>

/*
 * libwayland's event loop with an sd-event (Varlink, timers) inside it. sd-event arms its
 * timers and its sockets' masks when it prepares to wait, so whoever gives sd-event work
 * from a Wayland callback calls loop_kick: the loop then goes round once more before it sleeps.
 */
struct loop {
	struct wl_display *display;
	struct wl_event_loop *wayland; // the display's
	sd_event *sd;                  // owned
	int kick_fd;                   // owned eventfd, -1 when closed
	struct wl_event_source *kick_source, *sd_source;
	bool stopped;
};

/* Returns 0 or -errno. */
int loop_init(struct loop *loop, struct wl_display *display);

/* Safe on a zeroed loop. The display must still be there. */
void loop_finish(struct loop *loop);

/* Runs until loop_stop. */
void loop_run(struct loop *loop);

void loop_kick(struct loop *loop);

void loop_stop(struct loop *loop);

#endif
