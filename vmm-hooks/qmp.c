#include "qmp.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "fd.h"
#include "qmp-lines.h"

/* Lines handled before other sources of the event loop have their turn. */
#define LINES_PER_TURN 16

enum qmp_state {
	QMP_GREETING,     // waiting for {"QMP": ...}
	QMP_CAPABILITIES, // waiting for the reply to qmp_capabilities
	QMP_READY,
	QMP_CLOSED,
};

struct qmp_command {
	uint64_t id; // 0: free
	qmp_reply_func reply;
	void *data;
	sd_event_source *timer; // owned, NULL where it may take for ever
	struct qmp *qmp;
};

struct qmp {
	sd_event *event;         // owned reference
	sd_event_source *source; // owned
	sd_event_source *later;  // owned; goes on with lines already read
	sd_event_source *timer;  // owned; the handshake's
	int fd;                  // owned, -1 when closed
	enum qmp_state state;
	const struct qmp_ops *ops;
	void *data;
	struct lines lines;
	char *output; // owned, QMP_OUTPUT_MAX bytes
	size_t output_len;
	uint64_t last_id;
	struct qmp_command commands[QMP_COMMANDS_MAX];
};

static void command_answer(
	struct qmp_command *command, const char *error, sd_json_variant *untrusted_result) {
	qmp_reply_func reply = command->reply;
	void *data = command->data;
	sd_event_source_disable_unref(command->timer);
	*command = (struct qmp_command){0};
	if (reply != NULL) {
		reply(data, error, untrusted_result);
	}
}

/* Ends the connection; qmp may be gone when this returns. */
static void disconnect(struct qmp *qmp, const char *reason) {
	if (qmp->state == QMP_CLOSED) {
		return;
	}
	qmp->state = QMP_CLOSED;
	qmp->source = sd_event_source_disable_unref(qmp->source);
	qmp->later = sd_event_source_disable_unref(qmp->later);
	qmp->timer = sd_event_source_disable_unref(qmp->timer);
	qmp->fd = fd_close(qmp->fd);
	for (size_t i = 0; i < QMP_COMMANDS_MAX; i++) {
		if (qmp->commands[i].id != 0) {
			command_answer(&qmp->commands[i], reason, NULL);
		}
	}
	qmp->ops->closed(qmp->data, reason);
}

static int flush(struct qmp *qmp) {
	while (qmp->output_len > 0) {
		ssize_t sent =
			send(qmp->fd, qmp->output, qmp->output_len, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
			break;
		}
		if (sent < 0) {
			return -errno;
		}
		qmp->output_len -= (size_t)sent;
		memmove(qmp->output, qmp->output + sent, qmp->output_len);
	}
	uint32_t events = EPOLLIN | (qmp->output_len > 0 ? EPOLLOUT : 0);
	return sd_event_source_set_io_events(qmp->source, events);
}

/* Queues a line; an error of the socket itself shows when it is read. */
static int enqueue(struct qmp *qmp, const char *text) {
	size_t length = strlen(text);
	if (length + 1 > QMP_OUTPUT_MAX - qmp->output_len) {
		return -ENOBUFS;
	}
	memcpy(qmp->output + qmp->output_len, text, length);
	qmp->output[qmp->output_len + length] = '\n';
	qmp->output_len += length + 1;
	flush(qmp);
	return 0;
}

static int send_json(
	struct qmp *qmp, const char *command, sd_json_variant *arguments, uint64_t id) {
	sd_json_variant *json = NULL;
	char *text = NULL;
	int error = sd_json_buildo(&json, SD_JSON_BUILD_PAIR_STRING("execute", command),
		SD_JSON_BUILD_PAIR_CONDITION(
			arguments != NULL, "arguments", SD_JSON_BUILD_VARIANT(arguments)),
		SD_JSON_BUILD_PAIR_UNSIGNED("id", id));
	if (error >= 0) {
		error = sd_json_variant_format(json, 0, &text);
	}
	if (error >= 0) {
		error = enqueue(qmp, text);
	}
	free(text);
	sd_json_variant_unref(json);
	return error < 0 ? error : 0;
}

static int handle_command_timeout(sd_event_source *source, uint64_t usec, void *data) {
	struct qmp_command *command = data;
	command_answer(command, "timed out", NULL);
	return 0;
}

int qmp_command(struct qmp *qmp, const char *command, sd_json_variant *arguments, uint64_t timeout,
	qmp_reply_func reply, void *data) {
	if (qmp->state != QMP_READY) {
		return -ENOTCONN;
	}
	struct qmp_command *free_slot = NULL;
	for (size_t i = 0; i < QMP_COMMANDS_MAX && free_slot == NULL; i++) {
		free_slot = qmp->commands[i].id == 0 ? &qmp->commands[i] : NULL;
	}
	if (free_slot == NULL) {
		return -ENOBUFS;
	}
	sd_event_source *timer = NULL;
	int error = timeout == 0 ? 0
				 : sd_event_add_time_relative(qmp->event, &timer, CLOCK_MONOTONIC,
					   timeout, 0, handle_command_timeout, free_slot);
	if (error >= 0) {
		error = send_json(qmp, command, arguments, qmp->last_id + 1);
	}
	if (error < 0) {
		sd_event_source_disable_unref(timer);
		return error;
	}
	*free_slot = (struct qmp_command){++qmp->last_id, reply, data, timer, qmp};
	return 0;
}

static const char *string_of(sd_json_variant *object, const char *key) {
	sd_json_variant *value = sd_json_variant_by_key(object, key);
	return value != NULL && sd_json_variant_is_string(value) ? sd_json_variant_string(value)
								 : NULL;
}

/* A reply to a command that has timed out, or to none, is dropped. */
static void handle_reply(struct qmp *qmp, sd_json_variant *untrusted) {
	sd_json_variant *error = sd_json_variant_by_key(untrusted, "error");
	sd_json_variant *id = sd_json_variant_by_key(untrusted, "id");
	if (id == NULL || !sd_json_variant_is_unsigned(id) || sd_json_variant_unsigned(id) == 0) {
		return;
	}
	for (size_t i = 0; i < QMP_COMMANDS_MAX; i++) {
		struct qmp_command *command = &qmp->commands[i];
		if (command->id != sd_json_variant_unsigned(id)) {
			continue;
		}
		const char *reason = NULL;
		if (error != NULL) {
			const char *text =
				sd_json_variant_is_object(error) ? string_of(error, "desc") : NULL;
			reason = text != NULL ? text : "refused";
		}
		command_answer(command, reason, sd_json_variant_by_key(untrusted, "return"));
		return;
	}
}

/* Returns NULL, or why the connection has to end. */
static const char *handle_message(struct qmp *qmp, sd_json_variant *untrusted) {
	if (!sd_json_variant_is_object(untrusted)) {
		return "QEMU sent something that is no QMP message";
	}
	if (qmp->state == QMP_GREETING) {
		if (sd_json_variant_by_key(untrusted, "QMP") == NULL ||
			send_json(qmp, "qmp_capabilities", NULL, ++qmp->last_id) < 0) {
			return "QEMU did not greet with QMP";
		}
		qmp->state = QMP_CAPABILITIES;
		return NULL;
	}
	const char *event = string_of(untrusted, "event");
	if (event != NULL) {
		qmp->ops->event(qmp->data, event, sd_json_variant_by_key(untrusted, "data"));
	} else if (qmp->state == QMP_CAPABILITIES) {
		if (sd_json_variant_by_key(untrusted, "return") == NULL) {
			return "QEMU refused the QMP handshake";
		}
		qmp->state = QMP_READY;
		qmp->timer = sd_event_source_disable_unref(qmp->timer);
		qmp->ops->ready(qmp->data);
	} else {
		handle_reply(qmp, untrusted);
	}
	return NULL;
}

static const char *handle_line(struct qmp *qmp, const char *untrusted_line, size_t length) {
	sd_json_variant *json = NULL;
	if (length == 0) {
		return NULL;
	}
	if (!json_line_sane(untrusted_line, length, QMP_DEPTH_MAX) ||
		sd_json_parse(untrusted_line, 0, &json, NULL, NULL) < 0) {
		return "QEMU sent something that is no QMP message";
	}
	const char *reason = handle_message(qmp, json);
	sd_json_variant_unref(json);
	return reason;
}

/* Handles what was read, a bounded part of it now and the rest in another turn. */
static const char *handle_lines(struct qmp *qmp) {
	for (unsigned i = 0; i < LINES_PER_TURN; i++) {
		size_t length;
		const char *line = lines_next(&qmp->lines, &length);
		if (line == NULL) {
			return NULL;
		}
		const char *reason = handle_line(qmp, line, length);
		if (reason != NULL) {
			return reason;
		}
	}
	sd_event_source_set_enabled(qmp->later, SD_EVENT_ONESHOT);
	sd_event_source_set_enabled(qmp->source, SD_EVENT_OFF);
	return NULL;
}

static int handle_later(sd_event_source *source, void *data) {
	struct qmp *qmp = data;
	sd_event_source_set_enabled(qmp->source, SD_EVENT_ON);
	const char *reason = handle_lines(qmp);
	if (reason != NULL) {
		disconnect(qmp, reason);
	}
	return 0;
}

static const char *handle_input(struct qmp *qmp) {
	size_t size;
	char *room = lines_room(&qmp->lines, &size);
	if (room == NULL) {
		return "QEMU sent a QMP message that is too long";
	}
	ssize_t received = recv(qmp->fd, room, size, MSG_DONTWAIT);
	if (received < 0) {
		return errno == EAGAIN || errno == EINTR ? NULL : "QEMU's QMP connection broke";
	}
	if (received == 0) {
		return "QEMU closed its QMP connection";
	}
	lines_added(&qmp->lines, (size_t)received);
	return handle_lines(qmp);
}

static int handle_io(sd_event_source *source, int fd, uint32_t events, void *data) {
	struct qmp *qmp = data;
	const char *reason = NULL;
	if ((events & EPOLLOUT) != 0 && flush(qmp) < 0) {
		reason = "QEMU's QMP connection broke";
	}
	if (reason == NULL && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
		reason = handle_input(qmp);
	}
	if (reason != NULL) {
		disconnect(qmp, reason);
	}
	return 0;
}

static int handle_handshake_timeout(sd_event_source *source, uint64_t usec, void *data) {
	struct qmp *qmp = data;
	disconnect(qmp, "QEMU did not answer on QMP in time");
	return 0;
}

int qmp_create(struct qmp **ret, sd_event *event, int fd, const struct qmp_ops *ops, void *data) {
	struct qmp *qmp = calloc(1, sizeof(*qmp));
	if (qmp == NULL) {
		fd_close(fd);
		return -ENOMEM;
	}
	qmp->event = sd_event_ref(event);
	qmp->fd = fd;
	qmp->ops = ops;
	qmp->data = data;
	qmp->lines.max = QMP_LINE_MAX;
	qmp->output = calloc(1, QMP_OUTPUT_MAX);
	int error = qmp->output != NULL ? 0 : -ENOMEM;
	if (error >= 0) {
		error = sd_event_add_io(event, &qmp->source, fd, EPOLLIN, handle_io, qmp);
	}
	if (error >= 0) {
		error = sd_event_add_defer(event, &qmp->later, handle_later, qmp);
	}
	if (error >= 0) {
		error = sd_event_source_set_enabled(qmp->later, SD_EVENT_OFF);
	}
	if (error >= 0) {
		error = sd_event_add_time_relative(event, &qmp->timer, CLOCK_MONOTONIC,
			QMP_HANDSHAKE_US, 0, handle_handshake_timeout, qmp);
	}
	if (error < 0) {
		qmp_destroy(qmp);
		return error;
	}
	*ret = qmp;
	return 0;
}

void qmp_destroy(struct qmp *qmp) {
	if (qmp == NULL) {
		return;
	}
	for (size_t i = 0; i < QMP_COMMANDS_MAX; i++) {
		sd_event_source_disable_unref(qmp->commands[i].timer);
	}
	sd_event_source_disable_unref(qmp->source);
	sd_event_source_disable_unref(qmp->later);
	sd_event_source_disable_unref(qmp->timer);
	sd_event_unref(qmp->event);
	fd_close(qmp->fd);
	lines_finish(&qmp->lines);
	free(qmp->output);
	free(qmp);
}
