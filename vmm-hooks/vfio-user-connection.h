#ifndef VMM_HOOKS_VFIO_USER_CONNECTION_H
#define VMM_HOOKS_VFIO_USER_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "fd.h"
#include "vfio-user.h"

/*
 * The transport of vfio-user: one client's socket, taken one whole message at a time. It
 * never blocks and never holds more than one message in and one reply out: while a reply
 * cannot be sent, nothing more is read. A client that starts a message and does not finish
 * it, or does not read its reply, is dropped after VFIO_USER_DEADLINE_USEC.
 *
 * Nothing of the guest's state lives here: what is here can be rebuilt from the socket.
 */

#define VFIO_USER_DEADLINE_USEC (5 * UINT64_C(1000000))

struct vfio_user_connection;

struct vfio_user_message {
	struct vfio_user_header header;
	const void *body; // header.size - sizeof(header) bytes, aligned to 8
	int *fds;         // what the receiver keeps, it sets to -1; the rest is closed
	size_t fds_len;
};

struct vfio_user_connection_ops {
	/* A whole message. May reply once, or break the connection; may not destroy it. */
	void (*message)(void *data, struct vfio_user_message *message);
	/* The connection is of no more use, and is to be destroyed now. why is for the log,
	 * NULL where the client simply left. */
	void (*closed)(void *data, const char *why);
};

/*
 * Takes over fd, also on failure. The deadline runs until the first message is complete.
 * Returns 0 or -errno.
 */
int vfio_user_connection_create(struct vfio_user_connection **ret, sd_event *event, int fd,
	const struct vfio_user_connection_ops *ops, void *data);

/* Accepts NULL. */
void vfio_user_connection_destroy(struct vfio_user_connection *connection);

/* Has closed() called once the current message is done with. */
void vfio_user_connection_break(struct vfio_user_connection *connection, const char *why);

/*
 * Where the body of the reply to the current message is put together: room for
 * VFIO_USER_MESSAGE_MAX less a header, aligned to 8.
 */
void *vfio_user_connection_reply_body(struct vfio_user_connection *connection);

/*
 * Sends a reply of size bytes of that body, with fd unless it is -1 (which stays the
 * caller's). error is 0 or a positive errno, and then size must be 0.
 */
void vfio_user_connection_reply(struct vfio_user_connection *connection,
	const struct vfio_user_header *request, size_t size, int fd, int error);

#endif
