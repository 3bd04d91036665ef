#ifndef GUEST_BRIDGE_LINK_LISTENER_H
#define GUEST_BRIDGE_LINK_LISTENER_H

#include <stdbool.h>
#include <systemd/sd-event.h>

/* Where a mulliond that replaces one that died connects to the device. */
struct link_listener {
	sd_event_source *source; // owned
	void (*connected)(void *data, int fd);
	void *data;
};

/*
 * Listens anew on a socket, which stays the caller's: from then on its peers see this
 * process at its other end. connected() gets each connection from this user, as its
 * own, while the listener waits; it does not wait yet. Returns 0 or -errno.
 */
int link_listener_init(struct link_listener *listener, sd_event *event, int fd,
	void (*connected)(void *data, int fd), void *data);

/* Whoever connects while the listener does not wait is kept until it does. */
void link_listener_wait(struct link_listener *listener, bool wait);

/* Safe on a zeroed one. */
void link_listener_finish(struct link_listener *listener);

#endif
