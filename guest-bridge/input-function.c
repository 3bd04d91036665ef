#include "input-function.h"

#include <errno.h>
#include <linux/input.h>
#include <linux/virtio_ring.h>
#include <string.h>

#include "clock.h"
#include "input-config.h"

#define QUEUE_SIZE 64

/* Between looks at a queue whose memory is not there. */
#define RETRY_USEC 5000

/* What the driver says is taken that often before others in this process get their turn. */
#define STATUS_BURST QUEUE_SIZE

enum queue_index {
	QUEUE_EVENTS,
	QUEUE_STATUS,
	QUEUES,
};

_Static_assert(QUEUES == INPUT_FUNCTION_QUEUES && QUEUES <= DEVICE_STATE_QUEUES,
	"every queue has its state");

static struct device_state *state_of(const struct input_function *function) {
	return &function->setup.store->work->state;
}

static void do_later(struct input_function *function) {
	sd_event_source_set_enabled(function->work, SD_EVENT_ONESHOT);
}

static int handle_retry(sd_event_source *source, uint64_t usec, void *data) {
	do_later(data);
	return 0;
}

static void publish(struct input_function *function, unsigned index) {
	if (virtqueue_publish(&function->queues[index])) {
		virtio_pci_interrupt(&function->virtio, index);
	}
}

static void break_queue(struct virtqueue *queue, const char *why) {
	queue->broken = true;
	queue->why = why;
}

static void try_again(struct input_function *function, uint64_t usec) {
	sd_event_source_set_time_relative(function->retry, usec);
	sd_event_source_set_enabled(function->retry, SD_EVENT_ONESHOT);
}

/* What has become of a queue that gave no chain. */
static void check_queue(struct input_function *function, unsigned index) {
	const struct virtqueue *queue = &function->queues[index];
	if (queue->broken) {
		log_limited(&function->broken, LOG_LEVEL_WARNING,
			"input queue %u is stopped until the driver resets it: %s", index,
			queue->why);
		virtio_pci_needs_reset(&function->virtio);
		device_store_commit(function->setup.store);
	} else if (queue->waits) {
		try_again(function, RETRY_USEC);
	}
}

static bool push_event(struct input_function *function, const struct virtio_input_event *event) {
	struct virtqueue *queue = &function->queues[QUEUE_EVENTS];
	if (!virtqueue_pop(queue, &function->chain)) {
		return false;
	}
	size_t written = virtqueue_write(&function->chain, 0, event, sizeof(*event));
	if (written < sizeof(*event)) {
		break_queue(queue, "a buffer is shorter than an event");
		return false;
	}
	return virtqueue_push(queue, function->chain.head, (uint32_t)written);
}

/* A frame, or as much of it as the whole queue has room for. */
static size_t most(const struct input_function *function, size_t n) {
	size_t size = function->queues[QUEUE_EVENTS].state->size;
	return n < size ? n : size;
}

static bool has_room(struct input_function *function, size_t n) {
	return virtqueue_has(&function->queues[QUEUE_EVENTS], (unsigned)most(function, n));
}

/* All of that or nothing. */
static bool push_events(
	struct input_function *function, const struct virtio_input_event *events, size_t n) {
	struct virtqueue *queue = &function->queues[QUEUE_EVENTS];
	const struct device_state_queue before = *queue->state;
	n = most(function, n);
	for (size_t i = 0; i < n; i++) {
		if (!push_event(function, &events[i])) {
			*queue->state = before;
			return false;
		}
	}
	input_backlog_told(&function->backlog, n);
	return true;
}

static bool has_press(const struct virtio_input_event *events, size_t n) {
	for (size_t i = 0; i < n; i++) {
		if (events[i].type == EV_KEY) {
			return true;
		}
	}
	return false;
}

/* Whether it is time for a frame with a press; otherwise it is tried again then. */
static bool take_time(struct input_function *function) {
	uint64_t now = clock_usec(), ahead = INPUT_FUNCTION_PRESSES * function->press_usec;
	if (function->pressed > now + ahead) {
		try_again(function, function->pressed - now - ahead);
		return false;
	}
	function->pressed = function->pressed > now ? function->pressed : now;
	function->pressed += function->press_usec;
	return true;
}

/* The order is that of virtqueue.h: what was told is committed before the driver sees it. */
static void send_events(struct input_function *function) {
	struct virtio_input_event events[INPUT_FRAME_MAX];
	bool pushed = false;
	size_t n;
	while ((n = input_backlog_peek(&function->backlog, events)) > 0) {
		if (!has_room(function, n)) {
			check_queue(function, QUEUE_EVENTS);
			break;
		}
		if (has_press(events, n) && !take_time(function)) {
			break;
		}
		if (!push_events(function, events, n)) {
			check_queue(function, QUEUE_EVENTS);
			break;
		}
		pushed = true;
	}
	if (pushed) {
		device_store_commit(function->setup.store);
		publish(function, QUEUE_EVENTS);
	}
}

/* Lamps and the rate of repeats: nothing that anybody here asks for. */
static void take_status(struct input_function *function) {
	struct virtqueue *queue = &function->queues[QUEUE_STATUS];
	unsigned n = 0;
	while (n < STATUS_BURST && virtqueue_pop(queue, &function->chain)) {
		n++;
		if (!virtqueue_push(queue, function->chain.head, 0)) {
			break;
		}
	}
	if (n > 0) {
		device_store_commit(function->setup.store);
		publish(function, QUEUE_STATUS);
	}
	if (n == STATUS_BURST) {
		do_later(function);
	}
	check_queue(function, QUEUE_STATUS);
}

/* What an earlier process committed and perhaps did not show the guest any more. */
static void publish_again(struct input_function *function) {
	function->publish = false;
	for (unsigned i = 0; i < QUEUES; i++) {
		virtqueue_publish(&function->queues[i]);
		virtio_pci_interrupt(&function->virtio, i);
	}
}

static bool works(const struct input_function *function) {
	return function->dma != NULL && virtio_pci_runs(&function->virtio) &&
		state_of(function)->virtio.queues[QUEUE_EVENTS].enabled != 0;
}

static bool may_work(const struct input_function *function) {
	return works(function) && !function->setup.busy(function->setup.data);
}

static int handle_work(sd_event_source *source, void *data) {
	struct input_function *function = data;
	if (!may_work(function)) {
		return 0;
	}
	if (function->publish) {
		publish_again(function);
	}
	send_events(function);
	take_status(function);
	return 0;
}

void input_function_resume(struct input_function *function) {
	if (function->work != NULL) {
		do_later(function);
	}
}

/* Others may ask for no interrupts while they handle one. */
bool input_function_runs(struct input_function *function) {
	const struct virtqueue *queue = &function->queues[QUEUE_EVENTS];
	function->listens = works(function) && (function->listens || !virtqueue_is_polled(queue));
	return function->listens;
}

static bool has_event(const struct input_function *function, const struct link_input_event *event) {
	bool coded = event->type == LINK_INPUT_KEY || event->type == LINK_INPUT_BUTTON;
	return !coded || input_config_has(function->setup.function, EV_KEY, event->code);
}

void input_function_send(struct input_function *function, const struct link_input *input) {
	struct link_input known = {0};
	for (uint32_t i = 0; i < input->count && i < LINK_INPUT_MAX; i++) {
		if (has_event(function, &input->events[i])) {
			known.events[known.count++] = input->events[i];
		}
	}
	if (!works(function)) {
		return;
	}
	input_backlog_add(&function->backlog, &known);
	if (may_work(function)) {
		send_events(function);
	}
}

/* The driver, the function or the VMM has reset the device. */
static void handle_reset(void *data) {
	struct input_function *function = data;
	struct device_state_input *state = &state_of(function)->input;
	state->select = state->subsel = 0;
	input_backlog_clear(&function->backlog);
	function->listens = false;
	function->publish = false;
}

/* The queues go by what the driver has negotiated. */
static void handle_ready(void *data) {
	struct input_function *function = data;
	for (unsigned i = 0; i < QUEUES; i++) {
		virtqueue_init(&function->queues[i], &state_of(function)->virtio.queues[i],
			function->dma, virtio_pci_features(&function->virtio));
	}
	do_later(function);
}

static void handle_notified(void *data, unsigned queue) {
	do_later(data);
}

static void handle_config_read(void *data, uint32_t offset, void *ret, uint32_t count) {
	const struct input_function *function = data;
	const struct device_state_input *state = &state_of(function)->input;
	struct virtio_input_config config;
	input_config_read(function->setup.function, function->setup.name, state->select,
		state->subsel, &config);
	memcpy(ret, (const uint8_t *)&config + offset, count);
}

static void handle_config_write(void *data, uint32_t offset, const void *bytes, uint32_t count) {
	struct input_function *function = data;
	struct device_state_input *state = &state_of(function)->input;
	struct virtio_input_config config = {.select = state->select, .subsel = state->subsel};
	memcpy((uint8_t *)&config + offset, bytes, count);
	state->select = config.select;
	state->subsel = config.subsel;
}

static const struct virtio_pci_ops pci_ops = {
	.reset = handle_reset,
	.ready = handle_ready,
	.notified = handle_notified,
	.config_read = handle_config_read,
	.config_write = handle_config_write,
};

static int registers_read(void *data, uint64_t offset, void *ret, uint32_t count) {
	return offset < VIRTIO_PCI_WINDOW ? virtio_pci_read(data, offset, ret, count) : 0;
}

static int registers_write(void *data, uint64_t offset, const void *bytes, uint32_t count) {
	return offset < VIRTIO_PCI_WINDOW ? virtio_pci_write(data, offset, bytes, count) : 0;
}

static const struct pci_bar_ops registers_ops = {.read = registers_read, .write = registers_write};

static void handle_command(void *data) {
	virtio_pci_command_written(data);
}

static uint32_t class_of(enum link_function function) {
	return function == LINK_FUNCTION_KEYBOARD ? 0x090000
		: function == LINK_FUNCTION_MOUSE ? 0x090200
						  : 0x098000;
}

static void describe(struct input_function *function) {
	struct virtio_pci *virtio = &function->virtio;
	const struct virtio_pci_setup setup = {
		.state = state_of(function),
		.irq = &function->irq,
		.pci = &function->pci,
		.bar = 0,
		.features = UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC |
			UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX,
		.queues = QUEUES,
		.queue_size = QUEUE_SIZE,
		.config_size = sizeof(struct virtio_input_config),
		.ops = &pci_ops,
		.data = function,
	};
	virtio_pci_init(virtio, &setup);
	function->description = (struct pci_description){
		.vendor = 0x1af4,
		.device = 0x1052,
		.subsystem_vendor = 0x1af4,
		.subsystem = 0x1100,
		.class = class_of(function->setup.function),
		.revision = 1,
		.intx = true,
		.bars = {[0] = {.size = INPUT_FUNCTION_REGISTERS_SIZE,
				 .fd = -1,
				 .ops = &registers_ops,
				 .data = virtio},
			[4] = {.size = INPUT_FUNCTION_MSIX_SIZE, .fd = -1}},
		.msix = {.vectors = INPUT_FUNCTION_VECTORS,
			.bar = 4,
			.pending = INPUT_FUNCTION_PENDING},
		.capabilities = virtio->capabilities,
		.capabilities_len = VIRTIO_PCI_CAPABILITIES,
		.command_written = handle_command,
		.data = virtio,
	};
}

static int add_sources(struct input_function *function) {
	sd_event *event = function->setup.event;
	int error = sd_event_add_defer(event, &function->work, handle_work, function);
	if (error >= 0) {
		error = sd_event_source_set_enabled(function->work, SD_EVENT_OFF);
	}
	if (error >= 0) {
		error = sd_event_add_time(event, &function->retry, CLOCK_MONOTONIC, 0,
			RETRY_USEC / 5, handle_retry, function);
	}
	if (error >= 0) {
		error = sd_event_source_set_enabled(function->retry, SD_EVENT_OFF);
	}
	return error;
}

int input_function_init(struct input_function *function, const struct input_function_setup *setup) {
	*function = (struct input_function){
		.setup = *setup,
		.press_usec = INPUT_FUNCTION_PRESS_USEC,
	};
	int error = add_sources(function);
	if (error < 0) {
		return error;
	}
	input_backlog_init(&function->backlog, &state_of(function)->input);
	describe(function);
	irq_init(&function->irq, setup->event, &state_of(function)->irq, setup->keep,
		function->description.intx, function->description.msix.vectors);
	return pci_init(&function->pci, &function->description, state_of(function)) ? 0 : -EINVAL;
}

void input_function_finish(struct input_function *function) {
	sd_event_source_disable_unref(function->work);
	sd_event_source_disable_unref(function->retry);
	if (function->irq.state != NULL) {
		irq_finish(&function->irq);
	}
	*function = (struct input_function){0};
}

void input_function_start(struct input_function *function, const struct dma *dma) {
	function->dma = dma;
	handle_ready(function);
	function->publish = true;
}

void input_function_reset(struct input_function *function) {
	virtio_pci_reset(&function->virtio);
}
