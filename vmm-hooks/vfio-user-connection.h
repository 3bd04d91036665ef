#ifndef VMM_HOOKS_VFIO_USER_CONNECTION_H
#define VMM_HOOKS_VFIO_USER_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "device-store.h"
#include "fd.h"
#include "vfio-user.h"

/*
 * The transport of vfio-user: one client's socket, taken one whole message at a time. It
 * never blocks and never holds more than one message in and one reply out: while a reply
 * cannot be sent, nothing more is read. A client that starts a message and does not finish
 * it, or does not read its reply, is dropped after VFIO_USER_DEADLINE_USEC.
 *
 * Whatever moment this process dies at, the next one handles every message once and sends
 * every reply once:
 *   1. The message is looked at in the socket and handled on the working state.
 *   2. kept(): mulliond holds the descriptors that came with it.
 *   3. The reply is written into a pipe that mulliond holds, too.
 *   4. The state is committed, with this message as the last one.
 *   5. The message is taken out of the socket.
 *   6. splice() moves the reply from the pipe to the socket in one system call.
 * Before 4 the message is still in the socket, and nothing of it has happened: what lies in
 * the pipe is thrown away. After 4, the message is only to be taken out, and the pipe holds
 * what was not sent yet. A reply with a descriptor cannot pass through a pipe and is sent
 * before 4: it can arrive twice. Only GET_REGION_INFO has one, when a VMM starts.
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
	/* A whole message. May reply once; may not destroy the connection. */
	void (*message)(void *data, struct vfio_user_message *message);
	/* Whether all that the message brought is kept. If not, the connection waits for
	 * vfio_user_connection_resume(). */
	bool (*kept)(void *data);
	/* The message has been committed: what it took away may go. */
	void (*committed)(void *data);
	/* The connection is of no more use, and is to be destroyed now. why is for the log,
	 * NULL where the client simply left. */
	void (*closed)(void *data, const char *why);
};

/*
 * Serves fd, which stays the caller's, and so does the non-blocking pipe, whose ends are
 * replies[0] and replies[1] and which holds VFIO_USER_MESSAGE_MAX. With resume, it goes on
 * where an earlier process stopped; without, the client is new, and the deadline runs until
 * its first message is complete. Returns 0 or -errno.
 */
int vfio_user_connection_create(struct vfio_user_connection **ret, sd_event *event, int fd,
	const int replies[2], struct device_store *store, bool resume,
	const struct vfio_user_connection_ops *ops, void *data);

/* Accepts NULL. */
void vfio_user_connection_destroy(struct vfio_user_connection *connection);

/* Asks kept() again. */
void vfio_user_connection_resume(struct vfio_user_connection *connection);

/* True while a message is handled and not yet committed. */
bool vfio_user_connection_busy(const struct vfio_user_connection *connection);

/*
 * Where the body of the reply to the current message is put together: room for
 * VFIO_USER_MESSAGE_MAX less a header, aligned to 8.
 */
void *vfio_user_connection_reply_body(struct vfio_user_connection *connection);

/*
 * Replies with size bytes of that body, and with fd unless it is -1 (which stays the
 * caller's, and open until committed()). error is 0 or a positive errno, and then size
 * must be 0.
 */
void vfio_user_connection_reply(struct vfio_user_connection *connection,
	const struct vfio_user_header *request, size_t size, int fd, int error);

#endif
