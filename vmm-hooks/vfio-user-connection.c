#include "vfio-user-connection.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"

/* Messages handled before others in this process get their turn. */
#define BURST 64

/* What is looked at first: nearly every message is whole in it. */
#define FIRST_LOOK 512

#define HEADER sizeof(struct vfio_user_header)
#define BODY_MAX (VFIO_USER_MESSAGE_MAX - HEADER)

struct frame {
	struct vfio_user_header header;
	_Alignas(8) uint8_t body[BODY_MAX];
};

_Static_assert(offsetof(struct frame, body) == HEADER, "a frame is a message as on the wire");
_Static_assert(sizeof(((struct device_state_last *)0)->header) == HEADER,
	"the state has room for a header");

enum phase {
	PHASE_RECEIVE, // the next message
	PHASE_KEEP,    // a message is handled; what it brought is not kept yet
	PHASE_SEND,    // a reply is in the pipe
};

struct vfio_user_connection {
	int fd; // borrowed
	int replies[2];
	struct device_store *store;
	sd_event_source *io, *deadline; // owned
	sd_event_source *first;         // owned, until it has run
	bool deadline_armed;
	const struct vfio_user_connection_ops *ops;
	void *data;
	enum phase phase;

	size_t received; // bytes of untrusted_in that were taken from the socket in pieces
	int fds[VFIO_USER_FDS_MAX]; // owned: those of the message that is coming in
	size_t fds_len;
	bool more; // bytes were seen behind it

	size_t reply_size; // bytes of out; 0: no reply
	int reply_fd;      // borrowed
	size_t unsent;     // bytes in the pipe
	bool broken;       // of no more use: closed() is to be called
	const char *why;

	struct frame untrusted_in;
	uint8_t untrusted_behind; // see look_at_all()
	struct frame out;
};

_Static_assert(offsetof(struct vfio_user_connection, untrusted_behind) ==
		offsetof(struct vfio_user_connection, untrusted_in) + sizeof(struct frame),
	"there is room for a byte more");

enum step {
	STEP_AGAIN, // there may be more
	STEP_WAIT,  // for the client, or for whoever keeps
	STEP_BROKEN,
};

static struct device_state_live *live(struct vfio_user_connection *connection) {
	return &connection->store->file->live;
}

static struct device_state_last *last(struct vfio_user_connection *connection) {
	return &connection->store->work->state.last;
}

static enum step break_off(struct vfio_user_connection *connection, const char *why) {
	connection->broken = true;
	connection->why = why;
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
		connection->phase == PHASE_SEND ? "it does not read its replies"
						: "it did not finish a message in time");
	return 0;
}

void *vfio_user_connection_reply_body(struct vfio_user_connection *connection) {
	return connection->out.body;
}

void vfio_user_connection_reply(struct vfio_user_connection *connection,
	const struct vfio_user_header *request, size_t size, int fd, int error) {
	connection->out.header = (struct vfio_user_header){
		.id = request->id,
		.command = request->command,
		.size = (uint32_t)(HEADER + size),
		.flags = VFIO_USER_FLAG_REPLY | (error != 0 ? VFIO_USER_FLAG_ERROR : 0),
		.error = (uint32_t)error,
	};
	connection->reply_size = connection->out.header.size;
	connection->reply_fd = fd;
}

/* Sends the reply at once, past the pipe. */
static enum step send_directly(struct vfio_user_connection *connection) {
	size_t size = connection->reply_size;
	connection->reply_size = 0;
	ssize_t sent = fd_send(connection->fd, &connection->out, size, &connection->reply_fd,
		connection->reply_fd >= 0 ? 1 : 0, MSG_DONTWAIT);
	if (sent == (ssize_t)size) {
		return STEP_AGAIN;
	}
	// A descriptor cannot wait: only a client that never reads leaves no room for it.
	return break_off(
		connection, sent >= 0 || sent == -EAGAIN ? "it does not read its replies" : NULL);
}

/* Refuses a message after which the stream cannot be followed any more. */
static enum step refuse(struct vfio_user_connection *connection, const char *why) {
	vfio_user_connection_reply(connection, &connection->untrusted_in.header, 0, -1, EINVAL);
	send_directly(connection);
	return break_off(connection, why);
}

static void drop_message(struct vfio_user_connection *connection) {
	fd_close_many(connection->fds, connection->fds_len);
	connection->fds_len = 0;
	connection->received = 0;
	connection->phase = PHASE_RECEIVE;
}

/* Moves the reply from the pipe to the socket. */
static enum step flush(struct vfio_user_connection *connection) {
	while (connection->unsent > 0) {
		ssize_t sent = splice(connection->replies[0], NULL, connection->fd, NULL,
			connection->unsent, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
		if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
			return STEP_WAIT;
		}
		if (sent <= 0) {
			return break_off(connection, NULL);
		}
		connection->unsent -= (size_t)sent;
	}
	disarm_deadline(connection);
	connection->phase = PHASE_RECEIVE;
	// A client that waited for this reply has nothing else under way.
	return STEP_WAIT;
}

/*
 * Takes a message that is handled out of the socket, with its descriptors: in one system
 * call, as it was looked at.
 */
static bool take_out(struct vfio_user_connection *connection, size_t size) {
	ssize_t taken;
	do {
		taken = recv(connection->fd, &connection->untrusted_in, size, MSG_DONTWAIT);
	} while (taken < 0 && errno == EINTR);
	return taken == (ssize_t)size;
}

/* Steps 3 to 6 of the header's list. */
static enum step finish_message(struct vfio_user_connection *connection) {
	const struct vfio_user_header header = connection->untrusted_in.header;
	uint64_t sequence = last(connection)->sequence + 1;
	bool pieces = connection->received > 0;
	if (connection->reply_size > 0 && connection->reply_fd >= 0) {
		if (send_directly(connection) == STEP_BROKEN) {
			return STEP_BROKEN;
		}
	} else if (connection->reply_size > 0) {
		device_store_mark(&live(connection)->replying, sequence);
		ssize_t size = (ssize_t)connection->reply_size;
		if (write(connection->replies[1], &connection->out, (size_t)size) != size) {
			return break_off(connection, "the pipe of replies does not take one");
		}
		connection->unsent = (size_t)size;
	}
	connection->reply_size = 0;
	last(connection)->sequence = sequence;
	memcpy(last(connection)->header, &header, HEADER);
	device_store_commit(connection->store);
	if (!pieces && !take_out(connection, header.size)) {
		return break_off(connection, NULL);
	}
	device_store_mark(&live(connection)->consumed, sequence);
	drop_message(connection);
	connection->ops->committed(connection->data);
	if (connection->unsent == 0) {
		// What comes now is told of; a further look would mostly find nothing.
		return connection->more ? STEP_AGAIN : STEP_WAIT;
	}
	connection->phase = PHASE_SEND;
	return flush(connection);
}

static enum step finish_if_kept(struct vfio_user_connection *connection) {
	return connection->ops->kept(connection->data) ? finish_message(connection) : STEP_WAIT;
}

/* Hands on the message that is complete. */
static enum step deliver(struct vfio_user_connection *connection) {
	struct vfio_user_message message = {
		.header = connection->untrusted_in.header,
		.body = connection->untrusted_in.body,
		.fds = connection->fds,
		.fds_len = connection->fds_len,
	};
	connection->reply_size = 0;
	connection->phase = PHASE_KEEP;
	disarm_deadline(connection);
	connection->ops->message(connection->data, &message);
	return finish_if_kept(connection);
}

/* Whether the header that has come can be followed by what it says. */
static enum step check_header(struct vfio_user_connection *connection) {
	const struct vfio_user_header *header = &connection->untrusted_in.header;
	if (!vfio_user_header_valid(header)) {
		return refuse(connection, "it sent a message of an impossible size");
	}
	if ((header->flags & VFIO_USER_FLAG_TYPE) == VFIO_USER_FLAG_REPLY) {
		return break_off(connection, "it replied to no request");
	}
	return STEP_AGAIN;
}

/* Receives with descriptors into untrusted_in, from what is there already. */
static enum step receive(struct vfio_user_connection *connection, size_t from, size_t until,
	int flags, size_t *ret) {
	int fds[FD_MAX];
	size_t n = 0;
	ssize_t size = fd_recv(connection->fd, (char *)&connection->untrusted_in + from,
		until - from, fds, &n, MSG_DONTWAIT | flags);
	if (size == -EAGAIN || size == -EINTR) {
		return STEP_WAIT;
	}
	if (size == -EMSGSIZE || (size > 0 && n > VFIO_USER_FDS_MAX - connection->fds_len)) {
		fd_close_many(fds, n);
		return refuse(connection, "it sent more descriptors than were agreed");
	}
	if (size <= 0) {
		return break_off(connection,
			connection->received > 0 ? "it left in the middle of a message" : NULL);
	}
	memcpy(connection->fds + connection->fds_len, fds, n * sizeof(int));
	connection->fds_len += n;
	*ret = (size_t)size;
	return STEP_AGAIN;
}

static enum step receive_piece(struct vfio_user_connection *connection, size_t until) {
	size_t size;
	enum step step = receive(connection, connection->received, until, 0, &size);
	if (step == STEP_AGAIN) {
		connection->received += size;
		step = connection->received < until ? STEP_WAIT : STEP_AGAIN;
	}
	return step;
}

/*
 * A message that does not come at once, as a VMM's do. What there is of it is taken out, for
 * otherwise the socket would be ready without end; a process that dies in the middle of it
 * loses it. The header is read by itself and then exactly the rest: so descriptors always
 * belong to the message that they came with.
 */
static enum step receive_pieces(struct vfio_user_connection *connection) {
	device_store_mark(&live(connection)->partial, last(connection)->sequence + 1);
	if (connection->received < HEADER) {
		enum step step = receive_piece(connection, HEADER);
		if (step != STEP_AGAIN) {
			return step;
		}
	}
	enum step step = check_header(connection);
	const struct vfio_user_header *header = &connection->untrusted_in.header;
	if (step == STEP_AGAIN && connection->received < header->size) {
		step = receive_piece(connection, header->size);
	}
	return step == STEP_AGAIN ? deliver(connection) : step;
}

/* Looks at what is in the socket; says whether descriptors may be among it. */
static enum step look(struct vfio_user_connection *connection, size_t *ret, bool *ret_fds) {
	struct iovec iov = {&connection->untrusted_in, FIRST_LOOK};
	struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t size = recvmsg(connection->fd, &message, MSG_PEEK | MSG_DONTWAIT);
	if (size < 0 && (errno == EAGAIN || errno == EINTR)) {
		return STEP_WAIT;
	}
	if (size <= 0) {
		return break_off(connection, NULL);
	}
	*ret = (size_t)size;
	*ret_fds = (message.msg_flags & MSG_CTRUNC) != 0;
	return STEP_AGAIN;
}

/*
 * Looks at one message with its descriptors. Linux gives a look that has all its bytes also
 * the descriptors of what comes next. But it never looks past the end of what came with
 * descriptors: so they are this message's where there is no byte behind it.
 */
static enum step look_at_all(struct vfio_user_connection *connection, size_t size, size_t *ret) {
	enum step step = receive(connection, 0, size + 1, MSG_PEEK, ret);
	if (step == STEP_AGAIN && *ret != size) {
		// Those of a piece come again with it.
		fd_close_many(connection->fds, connection->fds_len);
		connection->fds_len = 0;
	}
	return step;
}

static enum step receive_message(struct vfio_user_connection *connection) {
	if (connection->received > 0) {
		return receive_pieces(connection);
	}
	size_t seen;
	bool fds;
	enum step step = look(connection, &seen, &fds);
	if (step == STEP_AGAIN && seen >= HEADER) {
		step = check_header(connection);
	}
	if (step != STEP_AGAIN) {
		return step;
	}
	size_t size = connection->untrusted_in.header.size;
	connection->more = seen >= HEADER && seen > size;
	if (seen >= HEADER && (seen < size || fds)) {
		step = look_at_all(connection, size, &seen);
		if (step != STEP_AGAIN) {
			return step;
		}
	}
	return seen >= HEADER && seen >= size ? deliver(connection) : receive_pieces(connection);
}

static enum step advance(struct vfio_user_connection *connection) {
	switch (connection->phase) {
	case PHASE_RECEIVE:
		return receive_message(connection);
	case PHASE_KEEP:
		return finish_if_kept(connection);
	case PHASE_SEND:
		break;
	}
	return flush(connection);
}

static void update_interest(struct vfio_user_connection *connection) {
	if (connection->phase == PHASE_SEND || connection->received > 0) {
		arm_deadline(connection);
	}
	static const uint32_t events[] = {
		[PHASE_RECEIVE] = EPOLLIN,
		[PHASE_KEEP] = 0,
		[PHASE_SEND] = EPOLLOUT,
	};
	sd_event_source_set_io_events(connection->io, events[connection->phase]);
}

static void run(struct vfio_user_connection *connection, enum step step) {
	for (unsigned i = 0; i < BURST && step == STEP_AGAIN; i++) {
		step = advance(connection);
	}
	if (step == STEP_BROKEN) {
		connection->ops->closed(connection->data, connection->why);
	} else {
		update_interest(connection);
	}
}

static int handle_io(sd_event_source *source, int fd, uint32_t revents, void *data) {
	struct vfio_user_connection *connection = data;
	// Reported without being asked for: who hangs up does not read a reply any more.
	bool gone = (revents & (EPOLLHUP | EPOLLERR)) != 0;
	if (gone && connection->phase != PHASE_RECEIVE) {
		run(connection, break_off(connection, NULL));
	} else {
		run(connection, STEP_AGAIN);
	}
	return 0;
}

void vfio_user_connection_resume(struct vfio_user_connection *connection) {
	if (connection->phase == PHASE_KEEP) {
		run(connection, STEP_AGAIN);
	}
}

bool vfio_user_connection_busy(const struct vfio_user_connection *connection) {
	return connection->phase == PHASE_KEEP;
}

/* Throws away a reply that nobody is to get. */
static void empty_pipe(struct vfio_user_connection *connection) {
	char bytes[4096];
	while (read(connection->replies[0], bytes, sizeof(bytes)) > 0) {
	}
}

/* Takes the message out that an earlier process had committed, if it was not. */
static bool take_out_last(struct vfio_user_connection *connection) {
	const struct device_state_last *done = last(connection);
	struct vfio_user_header header, untrusted_next;
	memcpy(&header, done->header, HEADER);
	if (live(connection)->consumed == done->sequence || header.size == 0) {
		return true;
	}
	ssize_t size = recv(connection->fd, &untrusted_next, HEADER, MSG_PEEK | MSG_DONTWAIT);
	return size != (ssize_t)HEADER || memcmp(&untrusted_next, &header, HEADER) != 0 ||
		take_out(connection, header.size);
}

static void go_on(struct vfio_user_connection *connection) {
	uint64_t sequence = last(connection)->sequence;
	if (live(connection)->partial == sequence + 1) {
		break_off(connection, "its message was lost in the middle with an earlier process");
		return;
	}
	if (!take_out_last(connection)) {
		break_off(connection, NULL);
		return;
	}
	device_store_mark(&live(connection)->consumed, sequence);
	int unsent = 0;
	if (live(connection)->replying != sequence) {
		empty_pipe(connection);
	} else if (ioctl(connection->replies[0], FIONREAD, &unsent) == 0 && unsent > 0) {
		connection->unsent = (size_t)unsent;
		connection->phase = PHASE_SEND;
	}
}

/* Nothing in socket or pipe is of an earlier client. */
static void begin(struct vfio_user_connection *connection) {
	empty_pipe(connection);
	device_store_mark(&live(connection)->partial, 0);
	device_store_mark(&live(connection)->consumed, last(connection)->sequence);
	memset(last(connection)->header, 0, HEADER);
	arm_deadline(connection);
}

static int handle_first_run(sd_event_source *source, void *data) {
	struct vfio_user_connection *connection = data;
	connection->first = sd_event_source_disable_unref(source);
	run(connection, connection->broken ? STEP_BROKEN : STEP_AGAIN);
	return 0;
}

/* closed() may only be called once the creator knows of the connection. */
static int schedule_first_run(struct vfio_user_connection *connection, sd_event *event) {
	return sd_event_add_defer(event, &connection->first, handle_first_run, connection);
}

int vfio_user_connection_create(struct vfio_user_connection **ret, sd_event *event, int fd,
	const int replies[2], struct device_store *store, bool resume,
	const struct vfio_user_connection_ops *ops, void *data) {
	struct vfio_user_connection *connection = calloc(1, sizeof(*connection));
	if (connection == NULL) {
		return -ENOMEM;
	}
	connection->fd = fd;
	memcpy(connection->replies, replies, sizeof(connection->replies));
	connection->store = store;
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
	if (error >= 0) {
		error = sd_event_source_set_enabled(connection->deadline, SD_EVENT_OFF);
	}
	if (error >= 0) {
		error = schedule_first_run(connection, event);
	}
	if (error < 0) {
		vfio_user_connection_destroy(connection);
		return error;
	}
	if (resume) {
		go_on(connection);
	} else {
		begin(connection);
	}
	*ret = connection;
	return 0;
}

void vfio_user_connection_destroy(struct vfio_user_connection *connection) {
	if (connection == NULL) {
		return;
	}
	sd_event_source_disable_unref(connection->first);
	sd_event_source_disable_unref(connection->io);
	sd_event_source_disable_unref(connection->deadline);
	fd_close_many(connection->fds, connection->fds_len);
	free(connection);
}
