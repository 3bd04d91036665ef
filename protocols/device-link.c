#include "device-link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "device-state.h"
#include "fd.h"

const char *link_personality_name(enum link_personality personality) {
	switch (personality) {
	case LINK_PERSONALITY_BOCHS:
		return "bochs";
	case LINK_PERSONALITY_VIRTIO_VGA:
		return "virtio-vga";
	case LINK_PERSONALITY_VIRTIO_GPU:
		return "virtio-gpu";
	}
	return NULL;
}

const char *link_function_name(enum link_function function) {
	static const char *const names[LINK_FUNCTIONS] = {
		[LINK_FUNCTION_GPU] = "gpu",
		[LINK_FUNCTION_KEYBOARD] = "keyboard",
		[LINK_FUNCTION_TABLET] = "tablet",
		[LINK_FUNCTION_MOUSE] = "mouse",
		[LINK_FUNCTION_TOUCH] = "touch",
	};
	return (unsigned)function < LINK_FUNCTIONS ? names[function] : NULL;
}

_Static_assert(LINK_FDS_MAX <= FD_MAX, "a set-up is one message");

struct link_header {
	uint32_t type;
	uint32_t reserved;
};

static bool input_valid(const struct link_input *input) {
	for (uint32_t i = 0; i < input->count; i++) {
		const struct link_input_event *event = &input->events[i];
		switch (event->type) {
		case LINK_INPUT_KEY:
		case LINK_INPUT_BUTTON:
			if (event->code > 0x2ff || (event->value != 0 && event->value != 1)) {
				return false;
			}
			break;
		case LINK_INPUT_ABS_X:
		case LINK_INPUT_ABS_Y:
			if (event->value < 0 || event->value > LINK_INPUT_ABS_LIMIT) {
				return false;
			}
			break;
		case LINK_INPUT_REL_X:
		case LINK_INPUT_REL_Y:
			if (event->value < -LINK_INPUT_REL_LIMIT ||
				event->value > LINK_INPUT_REL_LIMIT) {
				return false;
			}
			break;
		case LINK_INPUT_WHEEL:
		case LINK_INPUT_HWHEEL:
			if (event->value < -120 || event->value > 120) {
				return false;
			}
			break;
		default:
			return false;
		}
	}
	return true;
}

static size_t input_size(uint32_t count) {
	return offsetof(struct link_input, events) + count * sizeof(struct link_input_event);
}

static bool decode_input(const void *body, size_t size, struct link_input *input) {
	if (size < input_size(1) || size > sizeof(*input)) {
		return false;
	}
	memcpy(input, body, size);
	return input->count >= 1 && input->count <= LINK_INPUT_MAX &&
		size == input_size(input->count) && input_valid(input);
}

static bool decode_setup(const void *body, size_t size, struct link_setup *setup) {
	if (size != sizeof(*setup)) {
		return false;
	}
	memcpy(setup, body, size);
	return setup->version == LINK_VERSION && setup->personality >= LINK_PERSONALITY_BOCHS &&
		setup->personality <= LINK_PERSONALITY_VIRTIO_GPU && setup->heads >= 1 &&
		setup->heads <= DEVICE_STATE_HEADS && setup->follow <= 1 &&
		setup->hidden_refresh != 0 &&
		(setup->functions == 1 || setup->functions == LINK_FUNCTIONS) &&
		memchr(setup->name, '\0', sizeof(setup->name)) != NULL;
}

static bool decode_vmm(const void *body, size_t size, struct link_vmm *vmm) {
	if (size != sizeof(*vmm)) {
		return false;
	}
	memcpy(vmm, body, size);
	return vmm->connected <= 1 && vmm->reserved == 0;
}

static bool key_valid(const struct link_key *key) {
	if (key->function >= LINK_FUNCTIONS) {
		return false;
	}
	switch (key->kind) {
	case LINK_KIND_CONNECTION:
		return key->index == 0 && key->number == 0;
	case LINK_KIND_MEMORY:
		return key->index == 0 && key->number < LINK_MEMORY_MAX;
	case LINK_KIND_IRQ:
		return key->index < LINK_IRQ_INDEX_MAX && key->number < LINK_IRQ_VECTOR_MAX;
	case LINK_KIND_UNMASK:
		return key->index < LINK_IRQ_INDEX_MAX && key->number == 0;
	}
	return false;
}

/* Where the slots of each kind begin among those of a function. */
enum {
	SLOT_MEMORY = 1,
	SLOT_IRQ = SLOT_MEMORY + LINK_MEMORY_MAX,
	SLOT_UNMASK = SLOT_IRQ + LINK_IRQ_INDEX_MAX * LINK_IRQ_VECTOR_MAX,
};

static unsigned slot_in_function(const struct link_key *key) {
	switch (key->kind) {
	case LINK_KIND_MEMORY:
		return SLOT_MEMORY + key->number;
	case LINK_KIND_IRQ:
		return SLOT_IRQ + key->index * LINK_IRQ_VECTOR_MAX + key->number;
	case LINK_KIND_UNMASK:
		return SLOT_UNMASK + key->index;
	default:
		return 0;
	}
}

unsigned link_key_slot(const struct link_key *key) {
	return key->function * LINK_FUNCTION_SLOTS + slot_in_function(key);
}

struct link_key link_slot_key(unsigned slot) {
	uint32_t function = slot / LINK_FUNCTION_SLOTS;
	slot %= LINK_FUNCTION_SLOTS;
	if (slot >= SLOT_UNMASK) {
		return (struct link_key){LINK_KIND_UNMASK, slot - SLOT_UNMASK, 0, function};
	}
	if (slot >= SLOT_IRQ) {
		slot -= SLOT_IRQ;
		return (struct link_key){LINK_KIND_IRQ, slot / LINK_IRQ_VECTOR_MAX,
			slot % LINK_IRQ_VECTOR_MAX, function};
	}
	if (slot >= SLOT_MEMORY) {
		return (struct link_key){LINK_KIND_MEMORY, 0, slot - SLOT_MEMORY, function};
	}
	return (struct link_key){LINK_KIND_CONNECTION, 0, 0, function};
}

static bool decode_key(const void *body, size_t size, struct link_key *key) {
	if (size != sizeof(*key)) {
		return false;
	}
	memcpy(key, body, size);
	return key_valid(key);
}

static bool decode_beat(const void *body, size_t size, struct link_beat *beat) {
	if (size != sizeof(*beat)) {
		return false;
	}
	memcpy(beat, body, size);
	return true;
}

static bool decode_sandbox(const void *body, size_t size, struct link_sandbox *sandbox) {
	if (size != sizeof(*sandbox)) {
		return false;
	}
	memcpy(sandbox, body, size);
	return sandbox->failed < LINK_SANDBOX_LAYERS_MAX &&
		sandbox->error <= LINK_SANDBOX_ERROR_MAX && sandbox->reserved == 0;
}

bool link_decode(const void *packet, size_t size, size_t fds, struct link_message *ret) {
	struct link_header header;
	if (size < sizeof(header)) {
		return false;
	}
	memcpy(&header, packet, sizeof(header));
	if (header.reserved != 0) {
		return false;
	}
	const void *body = (const char *)packet + sizeof(header);
	size -= sizeof(header);
	struct link_message message = {.type = header.type};
	bool valid = false;
	switch (header.type) {
	case LINK_SETUP:
	case LINK_ADOPT:
		valid = decode_setup(body, size, &message.setup) &&
			fds == LINK_FDS_OF(message.setup.functions);
		break;
	case LINK_DISPLAY:
		valid = fds == 1 && size == 0;
		break;
	case LINK_GO:
		valid = fds == 0 && size == 0;
		break;
	case LINK_STORED:
	case LINK_STORE:
		valid = fds == 1 && decode_key(body, size, &message.key);
		break;
	case LINK_DROP:
		valid = fds == 0 && decode_key(body, size, &message.key);
		break;
	case LINK_PING:
	case LINK_PONG:
		valid = fds == 0 && decode_beat(body, size, &message.beat);
		break;
	case LINK_SANDBOX:
		valid = fds == 0 && decode_sandbox(body, size, &message.sandbox);
		break;
	case LINK_INPUT:
		valid = fds == 0 && decode_input(body, size, &message.input);
		break;
	case LINK_VMM:
		valid = fds == 0 && decode_vmm(body, size, &message.vmm);
		break;
	}
	if (valid) {
		*ret = message;
	}
	return valid;
}

static size_t body_size(const struct link_message *message) {
	switch (message->type) {
	case LINK_SETUP:
	case LINK_ADOPT:
		return sizeof(message->setup);
	case LINK_INPUT:
		return input_size(message->input.count);
	case LINK_VMM:
		return sizeof(message->vmm);
	case LINK_STORED:
	case LINK_STORE:
	case LINK_DROP:
		return sizeof(message->key);
	case LINK_PING:
	case LINK_PONG:
		return sizeof(message->beat);
	case LINK_SANDBOX:
		return sizeof(message->sandbox);
	case LINK_DISPLAY:
	case LINK_GO:
		break;
	}
	return 0;
}

int link_send(int socket, const struct link_message *message, const int *fds, size_t n) {
	char packet[LINK_PACKET_MAX];
	struct link_header header = {.type = message->type};
	size_t size = body_size(message);
	memcpy(packet, &header, sizeof(header));
	memcpy(packet + sizeof(header), &message->setup, size);
	ssize_t sent = fd_send(socket, packet, sizeof(header) + size, fds, n, MSG_DONTWAIT);
	return sent < 0 ? (int)sent : 0;
}

int link_receive(int socket, struct link_message *ret, int *ret_fds, size_t *ret_n) {
	char packet[LINK_PACKET_MAX];
	int fds[FD_MAX];
	size_t n;
	ssize_t size = fd_recv(socket, packet, sizeof(packet), fds, &n, MSG_DONTWAIT);
	if (size <= 0) {
		return size == -EMSGSIZE ? -EPROTO : (int)size;
	}
	if (!link_decode(packet, (size_t)size, n, ret)) {
		fd_close_many(fds, n);
		return -EPROTO;
	}
	memcpy(ret_fds, fds, n * sizeof(int));
	*ret_n = n;
	return 1;
}
