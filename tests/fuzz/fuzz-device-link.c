#include "fuzz.h"

#include <sys/socket.h>
#include <unistd.h>

#include "device-link.h"
#include "fd.h"
#include "input-queue.h"

/*
 * Packets of the link between mulliond and a device, each way. The input is a row of them:
 * a count of descriptors, a length, a type that mostly exists, the rest of the packet.
 * What decodes is in range, and the same again when it is sent on.
 */

#define PACKETS_MAX 64

static void check_input(const struct link_input *input) {
	FUZZ_CHECK(input->count >= 1 && input->count <= LINK_INPUT_MAX);
	for (uint32_t i = 0; i < input->count; i++) {
		const struct link_input_event *event = &input->events[i];
		switch (event->type) {
		case LINK_INPUT_KEY:
		case LINK_INPUT_BUTTON:
			FUZZ_CHECK(event->code < INPUT_CODES);
			FUZZ_CHECK(event->value == 0 || event->value == 1);
			break;
		case LINK_INPUT_ABS_X:
		case LINK_INPUT_ABS_Y:
			FUZZ_CHECK(event->value >= 0 && event->value <= LINK_INPUT_ABS_LIMIT);
			break;
		default:
			FUZZ_CHECK(event->type == LINK_INPUT_WHEEL ||
				event->type == LINK_INPUT_HWHEEL);
		}
	}
}

/* mulliond's side of what a device says the user did. */
static void queue_input(struct input_queue *queue, const struct link_input *input, bool take) {
	struct link_input_event batch[INPUT_BATCH_MAX];
	bool full;
	input_queue_add(queue, input);
	FUZZ_CHECK(queue->len + queue->held_len <= INPUT_QUEUE_MAX + INPUT_CODES);
	FUZZ_CHECK(queue->len <= INPUT_QUEUE_MAX);
	if (take) {
		FUZZ_CHECK(input_queue_take(queue, batch, &full) <= INPUT_BATCH_MAX);
	}
}

/* Keys are places in tables of mulliond. */
static void check_key(const struct link_key *key) {
	FUZZ_CHECK(key->kind >= LINK_KIND_CONNECTION && key->kind <= LINK_KIND_UNMASK);
	FUZZ_CHECK(key->index < LINK_IRQ_INDEX_MAX && key->function < LINK_FUNCTIONS);
	FUZZ_CHECK(key->number <
		(key->kind == LINK_KIND_MEMORY ? LINK_MEMORY_MAX : LINK_IRQ_VECTOR_MAX));
}

static void check_message(const struct link_message *message, size_t fds) {
	switch (message->type) {
	case LINK_SETUP:
		FUZZ_CHECK(message->setup.version == LINK_VERSION);
		FUZZ_CHECK(fds == LINK_FDS_OF(message->setup.functions));
		FUZZ_CHECK(strnlen(message->setup.name, LINK_NAME_MAX) < LINK_NAME_MAX);
		break;
	case LINK_DISPLAY:
		FUZZ_CHECK(fds == 1);
		break;
	case LINK_INPUT:
		FUZZ_CHECK(fds == 0);
		check_input(&message->input);
		break;
	case LINK_VMM:
		FUZZ_CHECK(fds == 0 && message->vmm.connected <= 1);
		break;
	case LINK_ADOPT:
		FUZZ_CHECK(fds == LINK_FDS_OF(message->setup.functions));
		break;
	case LINK_STORE:
	case LINK_STORED:
		FUZZ_CHECK(fds == 1);
		check_key(&message->key);
		break;
	case LINK_DROP:
		FUZZ_CHECK(fds == 0);
		check_key(&message->key);
		break;
	case LINK_SANDBOX:
		FUZZ_CHECK(fds == 0 && message->sandbox.failed < LINK_SANDBOX_LAYERS_MAX);
		FUZZ_CHECK(message->sandbox.error <= LINK_SANDBOX_ERROR_MAX);
		break;
	case LINK_GO:
	case LINK_PING:
	case LINK_PONG:
		FUZZ_CHECK(fds == 0);
		break;
	default:
		FUZZ_CHECK(false);
	}
}

/* Sent and received again it is the same message. */
static void check_round_trip(int pair[2], const struct link_message *message, size_t fds) {
	int sent[FD_MAX], received[FD_MAX];
	size_t n = 0;
	for (size_t i = 0; i < fds; i++) {
		sent[i] = pair[0];
	}
	struct link_message again;
	memset(&again, 0, sizeof(again));
	FUZZ_CHECK(link_send(pair[0], message, sent, fds) == 0);
	FUZZ_CHECK(link_receive(pair[1], &again, received, &n) == 1);
	FUZZ_CHECK(n == fds && again.type == message->type);
	struct link_message expected = *message;
	FUZZ_CHECK(message->type != LINK_INPUT ||
		memcmp(expected.input.events, again.input.events,
			expected.input.count * sizeof(expected.input.events[0])) == 0);
	FUZZ_CHECK(message->type != LINK_SETUP ||
		memcmp(&expected.setup, &again.setup, sizeof(expected.setup)) == 0);
	fd_close_many(received, n);
}

/* The packet as a peer sends it, whether or not it decodes. */
static bool receive_raw(int pair[2], const void *packet, size_t size, size_t fds) {
	int sent[FD_MAX], received[FD_MAX];
	size_t n = 0;
	for (size_t i = 0; i < fds; i++) {
		sent[i] = pair[0];
	}
	struct link_message message;
	FUZZ_CHECK(fd_send(pair[0], packet, size, sent, fds, MSG_DONTWAIT) == (ssize_t)size);
	int result = link_receive(pair[1], &message, received, &n);
	FUZZ_CHECK(result == 1 || result == -71);
	if (result == 1) {
		fd_close_many(received, n);
	}
	return result == 1;
}

static void one_packet(int pair[2], struct fuzz_input *input, struct input_queue *queue) {
	uint8_t what = fuzz_u8(input);
	size_t fds = (what & 0x1f) % (FD_MAX + 1), size = fuzz_u16(input) % (LINK_PACKET_MAX + 64);
	uint8_t packet[LINK_PACKET_MAX + 64];
	fuzz_take(input, packet, size);
	if ((what & 0x80) == 0 && size >= 8) {
		packet[0] = packet[0] % 16;
		memset(packet + 1, 0, 7);
	}
	uint8_t *exact = fuzz_copy(packet, size);
	struct link_message message, before;
	memset(&message, 0x5a, sizeof(message));
	memcpy(&before, &message, sizeof(message));
	bool decoded = link_decode(exact, size, fds, &message);
	free(exact);
	if (decoded) {
		check_message(&message, fds);
		check_round_trip(pair, &message, fds);
		if (message.type == LINK_INPUT) {
			queue_input(queue, &message.input, (what & 0x40) != 0);
		}
	} else {
		FUZZ_CHECK(memcmp(&before, &message, sizeof(message)) == 0);
	}
	if (size > 0) {
		FUZZ_CHECK(receive_raw(pair, packet, size, fds) == decoded);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct fuzz_input input = {data, size};
	struct input_queue queue = {0};
	int pair[2];
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0);
	for (unsigned i = 0; i < PACKETS_MAX && input.size > 0; i++) {
		one_packet(pair, &input, &queue);
	}
	fd_close_many(pair, 2);
	return 0;
}
