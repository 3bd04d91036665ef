#include "virtio-gpu.h"

#include <errno.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "gpu-commands.h"
#include "held.h"
#include "resources-blobs.h"
#include "vigil.h"
#include "virtio-displays.h"
#include "virtio-scanouts.h"
#include "virtqueue.h"

/* How long commands are carried out before others in this process get their turn: the VMM
 * may wait for an answer. */
#define BURST_USEC 1000
/* Commands after which the guest may see what is done. */
#define PUBLISH_EVERY 16

#define QUEUE_SIZE 64

/* Of a vigil, before others in this process get their turn. */
#define VIGIL_LOOKS 64

/* Between looks at a queue whose memory is not there. */
#define RETRY_USEC 5000

enum queue_index {
	QUEUE_CONTROL,
	QUEUE_CURSOR,
	QUEUES,
};

_Static_assert(QUEUES == DEVICE_STATE_QUEUES, "every queue has its state");
_Static_assert(QUEUE_SIZE <= DEVICE_STATE_HELD_MAX, "a whole queue can be held");

struct virtio_gpu {
	struct virtio_gpu_setup setup;
	struct device_state *state; // the store's working copy
	struct resources *resources;
	struct virtio_scanouts scanouts;
	struct virtio_displays displays;
	struct gpu_commands commands;
	struct held held;
	struct virtio_pci virtio;
	struct virtqueue queues[QUEUES];
	const struct dma *dma;        // borrowed; NULL until the start
	sd_event_source *work;        // owned: runs once what is below is to be done
	sd_event_source *retry;       // owned: a queue waits for memory
	sd_event_source *awake;       // owned: goes on with a vigil when nothing else is to be done
	struct vigil vigil;           // over the queues whose drivers are not asked to notify
	uint32_t watched;             // these, bit n: queue n
	uint32_t notified;            // queues to look at, likewise
	uint32_t frames;              // heads whose frame has come
	bool publish;                 // an earlier process may not have
	struct virtqueue_chain chain; // the one in work
	struct log_limit broken;
};

static struct device_state_gpu *gpu_state(struct virtio_gpu *gpu) {
	return &gpu->state->gpu;
}

static unsigned heads(const struct virtio_gpu *gpu) {
	return gpu->setup.link->heads;
}

static void do_later(struct virtio_gpu *gpu) {
	sd_event_source_set_enabled(gpu->work, SD_EVENT_ONESHOT);
}

/* The answer waits for the first head that shows the resource. */
static bool hold(struct virtio_gpu *gpu, const struct gpu_command *command, uint32_t flushed,
	uint32_t written) {
	if (flushed == 0) {
		return false;
	}
	const struct device_state_held answer = {
		.head = gpu->chain.head,
		.scanout = (uint8_t)__builtin_ctz(flushed),
		.fenced = command->fenced,
		.written = written,
	};
	return held_add(&gpu->held, &answer);
}

/* One command, one transaction. */
static void handle_chain(struct virtio_gpu *gpu, unsigned index) {
	struct gpu_command command;
	union gpu_answer answer = {0};
	uint32_t flushed;
	uint32_t type = gpu_commands_do(
		&gpu->commands, index == QUEUE_CURSOR, &gpu->chain, &command, &answer, &flushed);
	answer.header = gpu_response(&command, type);
	uint32_t written =
		(uint32_t)virtqueue_write(&gpu->chain, 0, &answer, gpu_response_size(type));
	if (!hold(gpu, &command, flushed, written)) {
		virtqueue_push(&gpu->queues[index], gpu->chain.head, written);
	}
	if (type == VIRTIO_GPU_RESP_OK_DISPLAY_INFO) {
		virtio_displays_read(&gpu->displays);
	}
	device_store_commit(gpu->setup.store);
}

static void publish(struct virtio_gpu *gpu, unsigned index) {
	if (virtqueue_publish(&gpu->queues[index])) {
		virtio_pci_interrupt(&gpu->virtio, index);
	}
}

static void check_broken(struct virtio_gpu *gpu, unsigned index) {
	const struct virtqueue *queue = &gpu->queues[index];
	if (queue->broken) {
		log_limited(&gpu->broken, LOG_LEVEL_WARNING,
			"queue %u is stopped until the driver resets it: %s", index, queue->why);
		virtio_pci_needs_reset(&gpu->virtio);
		device_store_commit(gpu->setup.store);
	}
}

/* The VMM is remapping the guest's memory. */
static void wait_for_memory(struct virtio_gpu *gpu, unsigned index) {
	gpu->notified |= UINT32_C(1) << index;
	sd_event_source_set_time_relative(gpu->retry, RETRY_USEC);
	sd_event_source_set_enabled(gpu->retry, SD_EVENT_ONESHOT);
}

static int handle_retry(sd_event_source *source, uint64_t usec, void *data) {
	do_later(data);
	return 0;
}

/* Instead of asking the driver of a queue that is empty to notify, where that pays. */
static bool keep_vigil(struct virtio_gpu *gpu, unsigned index, uint64_t now) {
	if (virtqueue_pending(&gpu->queues[index]) || gpu->setup.ops->hidden(gpu->setup.data) ||
		!vigil_begin(&gpu->vigil, now)) {
		return false;
	}
	gpu->watched |= UINT32_C(1) << index;
	sd_event_source_set_enabled(gpu->awake, SD_EVENT_ON);
	return true;
}

static void end_vigil(struct virtio_gpu *gpu) {
	gpu->notified |= gpu->watched;
	gpu->watched = 0;
	sd_event_source_set_enabled(gpu->awake, SD_EVENT_OFF);
}

/* Its pages may be about to come back: zeroes would be shown in their place. */
static bool must_wait(struct virtio_gpu *gpu, unsigned index) {
	return index == QUEUE_CONTROL && !dma_settled(gpu->dma) &&
		gpu_commands_lack_memory(&gpu->commands, &gpu->chain);
}

static void handle_queue(struct virtio_gpu *gpu, unsigned index) {
	struct virtqueue *queue = &gpu->queues[index];
	uint64_t now = clock_usec(), end = now + BURST_USEC;
	unsigned done = 0;
	bool more = true, watched = false;
	while (more && !watched && now < end) {
		more = virtqueue_pop(queue, &gpu->chain);
		if (!more) {
			vigil_sleep(&gpu->vigil, now);
			break;
		}
		if (must_wait(gpu, index)) {
			virtqueue_put_back(queue);
			more = false;
			break;
		}
		handle_chain(gpu, index);
		if (++done % PUBLISH_EVERY == 0) {
			publish(gpu, index);
		}
		now = clock_usec();
		watched = keep_vigil(gpu, index, now);
	}
	bool waits = queue->waits;
	publish(gpu, index);
	if (waits || queue->waits) {
		wait_for_memory(gpu, index);
	}
	if (more && !watched) {
		gpu->notified |= UINT32_C(1) << index;
		do_later(gpu);
	}
	check_broken(gpu, index);
}

static bool give_held(void *data, const struct device_state_held *answer) {
	struct virtio_gpu *gpu = data;
	return virtqueue_push(&gpu->queues[QUEUE_CONTROL], answer->head, answer->written);
}

static const struct damage_boxes nothing;

/* Asks for another frame of heads, bit n for head n, whose answers are still held. */
static void ask_for_frames(struct virtio_gpu *gpu, uint32_t wanted) {
	for (unsigned i = 0; i < heads(gpu); i++) {
		if ((wanted >> i & 1) != 0) {
			gpu->setup.ops->flushed(gpu->setup.data, i, &nothing);
		}
	}
}

static void handle_frames(struct virtio_gpu *gpu) {
	uint32_t again = 0, frames = gpu->frames;
	gpu->frames = 0;
	for (unsigned i = 0; i < heads(gpu); i++) {
		if ((frames >> i & 1) != 0 && held_frame(&gpu->held, i, give_held, gpu)) {
			again |= UINT32_C(1) << i;
		}
	}
	device_store_commit(gpu->setup.store);
	publish(gpu, QUEUE_CONTROL);
	ask_for_frames(gpu, again);
}

/* What an earlier process committed and perhaps did not show the guest any more. */
static void publish_again(struct virtio_gpu *gpu) {
	gpu->publish = false;
	for (unsigned i = 0; i < QUEUES; i++) {
		virtqueue_publish(&gpu->queues[i]);
		virtio_pci_interrupt(&gpu->virtio, i);
	}
	ask_for_frames(gpu, held_heads(&gpu->held));
}

static void handle_queues(struct virtio_gpu *gpu) {
	if (gpu->publish) {
		publish_again(gpu);
	}
	if (gpu->frames != 0) {
		handle_frames(gpu);
	}
	uint32_t notified = gpu->notified;
	gpu->notified = 0;
	for (unsigned i = 0; i < QUEUES; i++) {
		if ((notified >> i & 1) != 0) {
			handle_queue(gpu, i);
		}
	}
}

/* The only place where the state changes outside of a message. */
static int handle_work(sd_event_source *source, void *data) {
	struct virtio_gpu *gpu = data;
	if (gpu->dma == NULL || gpu->setup.ops->busy(gpu->setup.data)) {
		return 0;
	}
	if (virtio_pci_runs(&gpu->virtio)) {
		handle_queues(gpu);
	}
	// The driver may just have asked for them, and then needs not be told again.
	virtio_displays_work(&gpu->displays);
	return 0;
}

static bool watched_pending(struct virtio_gpu *gpu) {
	bool pending = false;
	for (unsigned i = 0; i < QUEUES; i++) {
		pending = pending ||
			((gpu->watched >> i & 1) != 0 && virtqueue_pending(&gpu->queues[i]));
	}
	return pending;
}

static void relax(void) {
#ifdef __x86_64__
	__builtin_ia32_pause();
#endif
}

/* A part of a vigil: nothing else is to be done just now. */
static int handle_awake(sd_event_source *source, void *data) {
	struct virtio_gpu *gpu = data;
	for (unsigned i = 0; i < VIGIL_LOOKS; i++) {
		if (watched_pending(gpu)) {
			vigil_paid(&gpu->vigil, clock_usec());
			end_vigil(gpu);
			return handle_work(gpu->work, gpu);
		}
		relax();
	}
	if (!vigil_goes_on(&gpu->vigil, clock_usec())) {
		end_vigil(gpu);
		do_later(gpu);
	}
	return 0;
}

void virtio_gpu_resume(struct virtio_gpu *gpu) {
	do_later(gpu);
}

void virtio_gpu_frame(struct virtio_gpu *gpu, unsigned head) {
	gpu->frames |= UINT32_C(1) << head;
	do_later(gpu);
}

void virtio_gpu_resized(struct virtio_gpu *gpu, unsigned head, uint32_t width, uint32_t height,
	uint32_t refresh, uint32_t scale) {
	virtio_displays_resize(&gpu->displays, head, width, height, refresh, scale);
}

void virtio_gpu_plugged(struct virtio_gpu *gpu, unsigned head, bool plugged) {
	virtio_displays_plug(&gpu->displays, head, plugged);
}

bool virtio_gpu_took_over(const struct virtio_gpu *gpu) {
	return gpu->state->gpu.took_over != 0;
}

void virtio_gpu_get_scanout(struct virtio_gpu *gpu, unsigned head, struct scanout *ret) {
	virtio_scanouts_get(&gpu->scanouts, head, ret);
}

/* The driver, the function or the VMM has reset the device. */
static void handle_reset(void *data) {
	struct virtio_gpu *gpu = data;
	held_clear(&gpu->held);
	virtio_scanouts_reset(&gpu->scanouts);
	virtio_displays_reset(&gpu->displays);
	resources_clear(gpu->resources);
	struct device_state_gpu *state = gpu_state(gpu);
	state->resources = 0;
	state->heap_used = 0;
	state->cursor = (struct device_state_cursor){0};
	if (state->cursor_set != 0) {
		state->cursor_set = 0;
		gpu->setup.ops->reset_cursor(gpu->setup.data);
	}
	vigil_stop(&gpu->vigil);
	end_vigil(gpu);
	gpu->notified = 0;
	gpu->frames = 0;
	gpu->publish = false;
}

/* The queues go by what the driver has negotiated. */
static void handle_ready(void *data) {
	struct virtio_gpu *gpu = data;
	for (unsigned i = 0; i < QUEUES; i++) {
		virtqueue_init(&gpu->queues[i], &gpu->state->virtio.queues[i], gpu->dma,
			virtio_pci_features(&gpu->virtio));
	}
	gpu->commands.blobs =
		(virtio_pci_features(&gpu->virtio) >> VIRTIO_GPU_F_RESOURCE_BLOB & 1) != 0;
	// It may have filled them before.
	gpu->notified = (UINT32_C(1) << QUEUES) - 1;
	do_later(gpu);
}

static void handle_notified(void *data, unsigned queue) {
	struct virtio_gpu *gpu = data;
	vigil_notified(&gpu->vigil, clock_usec());
	gpu->notified |= UINT32_C(1) << queue;
	do_later(gpu);
}

/* The driver has its memory back: the answers that wait are nobody's. */
static void handle_queue_reset(void *data, unsigned queue) {
	struct virtio_gpu *gpu = data;
	if (queue == QUEUE_CONTROL) {
		held_clear(&gpu->held);
	}
	gpu->notified &= ~(UINT32_C(1) << queue);
	virtqueue_init(&gpu->queues[queue], &gpu->state->virtio.queues[queue], gpu->dma,
		virtio_pci_features(&gpu->virtio));
}

static void handle_config_read(void *data, uint32_t offset, void *ret, uint32_t count) {
	struct virtio_gpu *gpu = data;
	const struct virtio_gpu_config config = {
		.events_read = gpu_state(gpu)->events,
		.num_scanouts = heads(gpu),
	};
	memcpy(ret, (const uint8_t *)&config + offset, count);
}

static void handle_config_write(void *data, uint32_t offset, const void *bytes, uint32_t count) {
	struct virtio_gpu *gpu = data;
	struct virtio_gpu_config config = {0};
	memcpy((uint8_t *)&config + offset, bytes, count);
	gpu_state(gpu)->events &= ~config.events_clear;
	virtio_displays_cleared(&gpu->displays);
}

static const struct virtio_pci_ops pci_ops = {
	.reset = handle_reset,
	.ready = handle_ready,
	.notified = handle_notified,
	.queue_reset = handle_queue_reset,
	.config_read = handle_config_read,
	.config_write = handle_config_write,
};

static void handle_changed(void *data, unsigned head) {
	struct virtio_gpu *gpu = data;
	struct scanout scanout;
	virtio_scanouts_get(&gpu->scanouts, head, &scanout);
	virtio_displays_shown(&gpu->displays, head, scanout.width, scanout.height);
	gpu->setup.ops->scanout_changed(gpu->setup.data, head);
}

static void handle_going(void *data, unsigned head) {
	struct virtio_gpu *gpu = data;
	gpu->setup.ops->keep(gpu->setup.data, head);
}

static void handle_flipped(void *data, unsigned head, const struct damage_boxes *boxes) {
	struct virtio_gpu *gpu = data;
	gpu->setup.ops->flipped(gpu->setup.data, head, boxes);
}

static void handle_flushed(void *data, unsigned head, const struct damage_boxes *boxes) {
	struct virtio_gpu *gpu = data;
	gpu->setup.ops->flushed(gpu->setup.data, head, boxes);
}

static const struct virtio_scanouts_ops scanouts_ops = {
	.changed = handle_changed,
	.going = handle_going,
	.flipped = handle_flipped,
	.flushed = handle_flushed,
};

static void handle_displays_due(void *data) {
	do_later(data);
}

static void handle_displays_told(void *data) {
	struct virtio_gpu *gpu = data;
	virtio_pci_config_changed(&gpu->virtio);
	device_store_commit(gpu->setup.store);
}

static const struct virtio_displays_ops displays_ops = {
	.due = handle_displays_due,
	.told = handle_displays_told,
};

static void init_commands(struct virtio_gpu *gpu) {
	gpu->commands = (struct gpu_commands){
		.store = gpu->setup.store,
		.slice = gpu->setup.slice,
		.resources = gpu->resources,
		.scanouts = &gpu->scanouts,
		.name = gpu->setup.link->name,
		.heads = heads(gpu),
		.set_cursor = gpu->setup.ops->set_cursor,
		.data = gpu->setup.data,
	};
}

/* What was offered once stays so: where a later process has no udmabuf it copies. */
static uint64_t features(struct virtio_gpu *gpu) {
	uint64_t blobs = gpu_state(gpu)->blobs != 0;
	return UINT64_C(1) << VIRTIO_GPU_F_EDID | blobs << VIRTIO_GPU_F_RESOURCE_BLOB |
		UINT64_C(1) << VIRTIO_RING_F_INDIRECT_DESC |
		UINT64_C(1) << VIRTIO_RING_F_EVENT_IDX | UINT64_C(1) << VIRTIO_F_RING_RESET;
}

static void init_pci(struct virtio_gpu *gpu) {
	const struct virtio_pci_setup setup = {
		.state = gpu->state,
		.irq = gpu->setup.irq,
		.pci = gpu->setup.pci,
		.bar = gpu->setup.bar,
		.offset = gpu->setup.offset,
		.features = features(gpu),
		.queues = QUEUES,
		.queue_size = QUEUE_SIZE,
		.config_size = sizeof(struct virtio_gpu_config),
		.ops = &pci_ops,
		.data = gpu,
	};
	virtio_pci_init(&gpu->virtio, &setup);
}

int virtio_gpu_create(struct virtio_gpu **ret, const struct virtio_gpu_setup *setup) {
	struct virtio_gpu *gpu = calloc(1, sizeof(*gpu));
	if (gpu == NULL) {
		return -ENOMEM;
	}
	gpu->setup = *setup;
	gpu->state = &setup->store->work->state;
	held_init(&gpu->held, gpu_state(gpu));
	int error = resources_create(&gpu->resources, setup->store->file, gpu->state, setup->slice);
	if (error == 0) {
		error = sd_event_add_defer(setup->event, &gpu->work, handle_work, gpu);
	}
	if (error >= 0) {
		error = sd_event_source_set_enabled(gpu->work, SD_EVENT_OFF);
	}
	if (error >= 0) {
		error = sd_event_add_defer(setup->event, &gpu->awake, handle_awake, gpu);
	}
	if (error >= 0) {
		error = sd_event_source_set_enabled(gpu->awake, SD_EVENT_OFF);
	}
	if (error >= 0) {
		error = sd_event_source_set_priority(gpu->awake, SD_EVENT_PRIORITY_IDLE);
	}
	if (error >= 0) {
		error = sd_event_add_time(setup->event, &gpu->retry, CLOCK_MONOTONIC, 0,
			RETRY_USEC / 5, handle_retry, gpu);
	}
	if (error >= 0) {
		error = sd_event_source_set_enabled(gpu->retry, SD_EVENT_OFF);
	}
	if (error >= 0) {
		error = virtio_displays_init(&gpu->displays, setup->event, gpu_state(gpu),
			gpu->setup.link, &displays_ops, gpu);
	}
	if (error < 0) {
		virtio_gpu_destroy(gpu);
		return error;
	}
	virtio_scanouts_init(
		&gpu->scanouts, gpu_state(gpu), gpu->resources, heads(gpu), &scanouts_ops, gpu);
	init_commands(gpu);
	init_pci(gpu);
	*ret = gpu;
	return 0;
}

void virtio_gpu_destroy(struct virtio_gpu *gpu) {
	if (gpu == NULL) {
		return;
	}
	sd_event_source_disable_unref(gpu->work);
	sd_event_source_disable_unref(gpu->awake);
	sd_event_source_disable_unref(gpu->retry);
	virtio_displays_finish(&gpu->displays);
	resources_destroy(gpu->resources);
	free(gpu);
}

struct virtio_pci *virtio_gpu_pci(struct virtio_gpu *gpu) {
	return &gpu->virtio;
}

void virtio_gpu_start(struct virtio_gpu *gpu, const struct dma *dma) {
	gpu->dma = dma;
	gpu->commands.dma = dma;
	const struct guest_memory memory = gpu_commands_memory(&gpu->commands);
	resources_start(gpu->resources, gpu->setup.udmabuf, &memory);
	virtio_scanouts_start(&gpu->scanouts);
	struct device_state_gpu *state = gpu_state(gpu);
	resources_usage(gpu->resources, &state->resources, &state->heap_used);
	handle_ready(gpu);
	gpu->publish = true;
	if (gpu_state(gpu)->cursor_set != 0) {
		gpu_commands_show_cursor(&gpu->commands);
	}
}

void virtio_gpu_reset(struct virtio_gpu *gpu) {
	virtio_pci_reset(&gpu->virtio);
}
