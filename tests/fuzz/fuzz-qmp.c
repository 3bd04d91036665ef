#include "fuzz.h"

#include <sys/socket.h>
#include <unistd.h>

#include "fd.h"
#include "log.h"
#include "machine-pci.h"
#include "qmp-lines.h"
#include "qmp.h"

/*
 * What QEMU says on QMP. The first byte sets the size of the pieces in which the rest
 * comes; the client asks a few things as soon as it may.
 */

#define ASKED 4

struct peer {
	struct qmp *qmp;
	int fd;
	unsigned ready, closed, answers[ASKED];
};

struct question {
	struct peer *peer;
	unsigned index;
};

static struct question questions[ASKED];

static void walk(sd_json_variant *json) {
	char address[16];
	machine_pci_find(json, "gpu", address);
}

static void handle_reply(void *data, const char *error, sd_json_variant *untrusted_result) {
	struct question *question = data;
	struct peer *peer = question->peer;
	FUZZ_CHECK(peer->closed == 0);
	FUZZ_CHECK(++peer->answers[question->index] == 1);
	if (error == NULL) {
		walk(untrusted_result);
	}
}

static void handle_ready(void *data) {
	struct peer *peer = data;
	FUZZ_CHECK(peer->ready++ == 0);
	for (unsigned i = 0; i < ASKED; i++) {
		questions[i] = (struct question){peer, i};
		FUZZ_CHECK(qmp_command(peer->qmp, "query-pci", NULL, i % 2 * UINT64_C(60000000),
				   handle_reply, &questions[i]) == 0);
	}
}

static void handle_event(void *data, const char *name, sd_json_variant *untrusted_data) {
	struct peer *peer = data;
	FUZZ_CHECK(peer->closed == 0 && name != NULL);
	walk(untrusted_data);
}

static void handle_closed(void *data, const char *reason) {
	struct peer *peer = data;
	FUZZ_CHECK(peer->closed++ == 0 && reason != NULL);
}

static const struct qmp_ops ops = {
	.ready = handle_ready,
	.event = handle_event,
	.closed = handle_closed,
};

static void run(sd_event *event) {
	for (unsigned i = 0; i < 4096 && sd_event_run(event, 0) > 0; i++) {
	}
}

static void drain(int fd) {
	char bytes[4096];
	while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0) {
	}
}

static void speak(struct peer *peer, sd_event *event, struct fuzz_input *input) {
	size_t piece = fuzz_u8(input);
	while (input->size > 0) {
		size_t n = piece == 0 || piece > input->size ? input->size : piece;
		ssize_t sent = send(peer->fd, input->data, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent <= 0) {
			break;
		}
		input->data += sent;
		input->size -= (size_t)sent;
		run(event);
		drain(peer->fd);
	}
}

/* The lines alone, with a bound that an input can reach. */
static void cut(const uint8_t *data, size_t size) {
	struct lines lines = {.max = 64};
	while (size > 0) {
		size_t room, length;
		char *to = lines_room(&lines, &room);
		if (to == NULL) {
			break;
		}
		FUZZ_CHECK(room >= 1 && room <= lines.max);
		size_t n = size < room ? size : room;
		memcpy(to, data, n);
		lines_added(&lines, n);
		data += n;
		size -= n;
		for (char *line; (line = lines_next(&lines, &length)) != NULL;) {
			FUZZ_CHECK(length < lines.max && line[length] == '\0');
			FUZZ_CHECK(memchr(line, '\n', length) == NULL);
			bool sane = json_line_sane(line, length, 8);
			FUZZ_CHECK(!sane || memchr(line, '\0', length) == NULL);
		}
	}
	lines_finish(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	log_init("fuzz", NULL, LOG_LEVEL_ERROR);
	struct fuzz_input input = {data, size};
	struct peer peer = {0};
	sd_event *event;
	int pair[2];
	FUZZ_CHECK(sd_event_new(&event) >= 0);
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0);
	peer.fd = pair[1];
	FUZZ_CHECK(qmp_create(&peer.qmp, event, pair[0], &ops, &peer) == 0);
	speak(&peer, event, &input);
	fd_close(peer.fd);
	run(event);
	FUZZ_CHECK(peer.closed == 1);
	for (unsigned i = 0; i < ASKED; i++) {
		FUZZ_CHECK(peer.answers[i] == peer.ready);
	}
	qmp_destroy(peer.qmp);
	sd_event_unref(event);
	cut(data, size);
	return 0;
}
