#include "vfio-user-connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "clock.h"

/* Messages handled before others in this process get their turn. */
#define BURST 64

#define BODY_MAX (VFIO_USER_MESSAGE_MAX - sizeof(struct vfio_user_header))

struct frame {
	struct vfio_user_header header;
	_Alignas(8) uint8_t body[BODY_MAX];
};

_Static_assert(offsetof(struct frame, body) == sizeof(struct vfio_user_header),
	"a frame is a message as it is on the wire");

struct vfio_user_connection {
	int fd;                         // owned
	sd_event_source *io, *deadline; // owned
	bool deadline_armed;
	const struct vfio_user_connection_ops *ops;
	void *data;

	size_t received; // bytes of untrusted_in
	int fds[FD_MAX]; // owned: those of the message that is coming in
	size_t fds_len;

	size_t out_size, out_sent; // bytes of out
	bool broken;               // of no more use: closed() is to be called
	const char *why;

	struct frame untrusted_in;
	struct frame out;
};

enum step {
	STEP_AGAIN, // there may be more
	STEP_WAIT,  // for the client
	STEP_BROKEN,
};

void vfio_user_connection_break(struct vfio_user_connection *connection, const char *why) {
	connection->broken = true;
	connection->why = why;
}

static enum step break_off(struct vfio_user_connection *connection, const char *why) {
	vfio_user_connection_break(connection, why);
	return STEP_BROKEN;
}

static void arm_deadline(struct vfio_user_connection *connection) {
	if (connection->deadline_armed) {
		return;
	}
	connection->deadline_armed = true;
	sd_event_source_set_time_relative(connection->deadline, VFIO_USER_DEADLINE_USEC);
	sd_event_source_set_enabled(connection->deadline, SD_EVENT_ONESHOT);
}

static void disarm_deadline(struct vfio_user_connection *connection) {
	if (connection->deadline_armed) {
		connection->deadline_armed = false;
		sd_event_source_set_enabled(connection->deadline, SD_EVENT_OFF);
	}
}

static int handle_deadline(sd_event_source *source, uint64_t usec, void *data) {
	struct vfio_user_connection *connection = data;
	connection->ops->closed(connection->data,
		connection->out_size > 0 ? "it does not read its replies"
					 : "it did not finish a message in time");
	return 0;
}

/* Sends what is left of the reply. */
static enum step flush(struct vfio_user_connection *connection, int fd) {
	while (connection->out_sent < connection->out_size) {
		const char *from = (const char *)&connection->out + connection->out_sent;
		ssize_t sent =
			fd_send(connection->fd, from, connection->out_size - connection->out_sent,
				&fd, fd >= 0 ? 1 : 0, MSG_DONTWAIT);
		if (sent == -EAGAIN || sent == -EINTR) {
			return STEP_WAIT;
		}
		if (sent < 0) {
			return break_off(connection, NULL);
		}
		connection->out_sent += (size_t)sent;
		fd = -1; // it went with the first byte
	}
	connection->out_size = connection->out_sent = 0;
	return STEP_AGAIN;
}

void *vfio_user_connection_reply_body(struct vfio_user_connection *connection) {
	return connection->out.body;
}

void vfio_user_connection_reply(struct vfio_user_connection *connection,
	const struct vfio_user_header *request, size_t size, int fd, int error) {
	connection->out.header = (struct vfio_user_header){
		.id = request->id,
		.command = request->command,
		.size = (uint32_t)(sizeof(connection->out.header) + size),
		.flags = VFIO_USER_FLAG_REPLY | (error != 0 ? VFIO_USER_FLAG_ERROR : 0),
		.error = (uint32_t)error,
	};
	connection->out_size = connection->out.header.size;
	connection->out_sent = 0;
	// A descriptor cannot wait: only a client that never reads leaves no room for it.
	if (flush(connection, fd) == STEP_WAIT && fd >= 0 && connection->out_sent == 0) {
		vfio_user_connection_break(connection, "it does not read its replies");
	}
}

/* Refuses a message after which the stream cannot be followed any more. */
static enum step refuse(struct vfio_user_connection *connection, const char *why) {
	vfio_user_connection_reply(connection, &connection->untrusted_in.header, 0, -1, EINVAL);
	return break_off(connection, why);
}

static enum step receive(struct vfio_user_connection *connection, size_t until) {
	int fds[FD_MAX];
	size_t n = 0;
	char *to = (char *)&connection->untrusted_in + connection->received;
	ssize_t size =
		fd_recv(connection->fd, to, until - connection->received, fds, &n, MSG_DONTWAIT);
	if (size == -EAGAIN || size == -EINTR) {
		return STEP_WAIT;
	}
	if (size == -EMSGSIZE) {
		return refuse(connection, "it sent more descriptors than were agreed");
	}
	if (size <= 0) {
		return break_off(connection,
			connection->received > 0 ? "it left in the middle of a message" : NULL);
	}
	if (n > FD_MAX - connection->fds_len) {
		fd_close_many(fds, n);
		return refuse(connection, "it sent more descriptors than were agreed");
	}
	memcpy(connection->fds + connection->fds_len, fds, n * sizeof(int));
	connection->fds_len += n;
	connection->received += (size_t)size;
	return STEP_AGAIN;
}

static void consume(struct vfio_user_connection *connection) {
	fd_close_many(connection->fds, connection->fds_len);
	connection->fds_len = 0;
	connection->received = 0;
	memset(&connection->untrusted_in.header, 0, sizeof(connection->untrusted_in.header));
}

/* Hands on the message that is complete. */
static enum step deliver(struct vfio_user_connection *connection) {
	struct vfio_user_message message = {
		.header = connection->untrusted_in.header,
		.body = connection->untrusted_in.body,
		.fds = connection->fds,
		.fds_len = connection->fds_len,
	};
	connection->ops->message(connection->data, &message);
	consume(connection);
	disarm_deadline(connection);
	if (connection->broken) {
		return STEP_BROKEN;
	}
	return connection->out_size > 0 ? STEP_WAIT : STEP_AGAIN;
}

/*
 * One step towards the next message. The header is read by itself and then exactly the
 * rest: so descriptors always belong to the message that they came with.
 */
static enum step advance(struct vfio_user_connection *connection) {
	const size_t head = sizeof(struct vfio_user_header);
	if (connection->received < head) {
		enum step step = receive(connection, head);
		if (step != STEP_AGAIN || connection->received < head) {
			return step;
		}
	}
	const struct vfio_user_header *header = &connection->untrusted_in.header;
	if (!vfio_user_header_valid(header)) {
		return refuse(connection, "it sent a message of an impossible size");
	}
	if ((header->flags & VFIO_USER_FLAG_TYPE) == VFIO_USER_FLAG_REPLY) {
		return break_off(connection, "it replied to no request");
	}
	if (connection->received < header->size) {
		enum step step = receive(connection, header->size);
		if (step != STEP_AGAIN || connection->received < header->size) {
			return step;
		}
	}
	return deliver(connection);
}

static void update_interest(struct vfio_user_connection *connection) {
	bool sending = connection->out_size > 0;
	if (sending || connection->received > 0) {
		arm_deadline(connection);
	}
	sd_event_source_set_io_events(connection->io, sending ? EPOLLOUT : EPOLLIN);
}

static int handle_io(sd_event_source *source, int fd, uint32_t revents, void *data) {
	struct vfio_user_connection *connection = data;
	enum step step = STEP_AGAIN;
	if (connection->out_size > 0) {
		step = flush(connection, -1);
		if (step == STEP_AGAIN) {
			disarm_deadline(connection);
		} else if (step == STEP_WAIT && (revents & (EPOLLHUP | EPOLLERR)) != 0) {
			step = break_off(connection, NULL);
		}
	}
	for (unsigned i = 0; i < BURST && step == STEP_AGAIN; i++) {
		step = advance(connection);
	}
	if (step == STEP_BROKEN) {
		connection->ops->closed(connection->data, connection->why);
	} else {
		update_interest(connection);
	}
	return 0;
}

int vfio_user_connection_create(struct vfio_user_connection **ret, sd_event *event, int fd,
	const struct vfio_user_connection_ops *ops, void *data) {
	struct vfio_user_connection *connection = calloc(1, sizeof(*connection));
	if (connection == NULL) {
		fd_close(fd);
		return -ENOMEM;
	}
	connection->fd = fd;
	connection->ops = ops;
	connection->data = data;
	int error = fd_set_nonblock(fd, true);
	if (error == 0) {
		error = sd_event_add_io(event, &connection->io, fd, EPOLLIN, handle_io, connection);
	}
	if (error >= 0) {
		error = sd_event_add_time_relative(event, &connection->deadline, CLOCK_MONOTONIC,
			VFIO_USER_DEADLINE_USEC, 0, handle_deadline, connection);
	}
	if (error < 0) {
		vfio_user_connection_destroy(connection);
		return error;
	}
	connection->deadline_armed = true;
	*ret = connection;
	return 0;
}

void vfio_user_connection_destroy(struct vfio_user_connection *connection) {
	if (connection == NULL) {
		return;
	}
	sd_event_source_disable_unref(connection->io);
	sd_event_source_disable_unref(connection->deadline);
	fd_close_many(connection->fds, connection->fds_len);
	fd_close(connection->fd);
	free(connection);
}
