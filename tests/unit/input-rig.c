#include "input-rig.h"

#include <linux/input.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "fd.h"
#include "memfd.h"
#include "vfio-user-regions.h"

#define QUEUE_PART 0x4000 // of the memory, for each queue
#define BUFFERS 0x3000    // in it
#define NOTIFY 0x2000

static bool is_busy(void *data) {
	struct input_rig *rig = data;
	return rig->busy;
}

static void begin(struct input_rig *rig, enum link_function function) {
	bool new;
	const struct input_function_setup setup = {
		.event = rig->event,
		.function = function,
		.store = &rig->store,
		.keep = &rig->keep,
		.name = "work",
		.busy = is_busy,
		.data = rig,
	};
	assert_int_equal(device_store_open(&rig->store, rig->state_fd, &new), 0);
	keep_init(&rig->keep, function, -1);
	assert_int_equal(input_function_init(&rig->function, &setup), 0);
	rig->function.press_usec = 0;
	rig->store.work->dma.count = 0;
	assert_int_equal(dma_init(&rig->dma, &rig->store.work->dma, &rig->keep), 0);
	const struct vfio_user_dma_map map = {32, VFIO_DMA_MAP_FLAG_READ | VFIO_DMA_MAP_FLAG_WRITE,
		0, INPUT_RIG_RAM, INPUT_RIG_RAM_SIZE};
	int fd = dup(rig->ram_fd);
	assert_int_equal(dma_add(&rig->dma, &map, &fd), 0);
	fd_close(fd);
	input_function_start(&rig->function, &rig->dma);
}

static void end(struct input_rig *rig) {
	input_function_finish(&rig->function);
	dma_finish(&rig->dma);
	keep_finish(&rig->keep);
	device_store_close(&rig->store);
}

void input_rig_init(struct input_rig *rig, enum link_function function) {
	*rig = (struct input_rig){.buffer_size = sizeof(struct virtio_input_event)};
	assert_true(sd_event_new(&rig->event) >= 0);
	rig->state_fd = memfd_create_sealed("state", DEVICE_STATE_SIZE);
	rig->ram_fd = memfd_create_sealed("ram", INPUT_RIG_RAM_SIZE);
	rig->ram =
		mmap(NULL, INPUT_RIG_RAM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, rig->ram_fd, 0);
	assert_true(rig->ram != MAP_FAILED);
	begin(rig, function);
}

void input_rig_finish(struct input_rig *rig) {
	end(rig);
	sd_event_unref(rig->event);
	munmap(rig->ram, INPUT_RIG_RAM_SIZE);
	fd_close(rig->ram_fd);
	fd_close(rig->state_fd);
}

void input_rig_replace(struct input_rig *rig) {
	enum link_function function = rig->function.setup.function;
	end(rig);
	begin(rig, function);
}

uint64_t input_rig_get(struct input_rig *rig, uint32_t offset, uint32_t count) {
	uint64_t value = 0;
	assert_int_equal(virtio_pci_read(&rig->function.virtio, offset, &value, count), 0);
	return value;
}

void input_rig_put(struct input_rig *rig, uint32_t offset, uint64_t value, uint32_t count) {
	assert_int_equal(virtio_pci_write(&rig->function.virtio, offset, &value, count), 0);
}

static void drive_queue(struct input_rig *rig, unsigned index, uint16_t size) {
	struct input_rig_queue *queue = &rig->queues[index];
	uint64_t at = INPUT_RIG_RAM + (uint64_t)index * QUEUE_PART;
	uint8_t *part = rig->ram + (size_t)index * QUEUE_PART;
	memset(part, 0, QUEUE_PART);
	*queue = (struct input_rig_queue){
		.desc = (struct vring_desc *)part,
		.avail = (struct vring_avail *)(part + 0x1000),
		.used = (struct vring_used *)(part + 0x2000),
		.buffers = part + BUFFERS,
		.buffers_address = at + BUFFERS,
		.size = size,
	};
	input_rig_put(rig, VIRTIO_PCI_COMMON_Q_SELECT, index, 2);
	input_rig_put(rig, VIRTIO_PCI_COMMON_Q_SIZE, size, 2);
	input_rig_put(rig, VIRTIO_PCI_COMMON_Q_DESCLO, at, 4);
	input_rig_put(rig, VIRTIO_PCI_COMMON_Q_AVAILLO, at + 0x1000, 4);
	input_rig_put(rig, VIRTIO_PCI_COMMON_Q_USEDLO, at + 0x2000, 4);
	input_rig_put(rig, VIRTIO_PCI_COMMON_Q_ENABLE, 1, 2);
}

void input_rig_drive(struct input_rig *rig, uint64_t features, uint16_t size) {
	uint32_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	const struct vfio_user_access access = {
		VFIO_PCI_CONFIG_REGION_INDEX, PCI_COMMAND, 2, (uint8_t *)&command};
	assert_int_equal(region_access(&rig->function.pci, &access, NULL), 0);
	input_rig_put(rig, VIRTIO_PCI_COMMON_STATUS, 0, 1);
	input_rig_put(rig, VIRTIO_PCI_COMMON_STATUS, 3, 1);
	input_rig_put(rig, VIRTIO_PCI_COMMON_GFSELECT, 0, 4);
	input_rig_put(rig, VIRTIO_PCI_COMMON_GF, features, 4);
	input_rig_put(rig, VIRTIO_PCI_COMMON_GFSELECT, 1, 4);
	input_rig_put(rig, VIRTIO_PCI_COMMON_GF, 1, 4);
	input_rig_put(rig, VIRTIO_PCI_COMMON_STATUS, 0xb, 1);
	for (unsigned i = 0; i < INPUT_FUNCTION_QUEUES; i++) {
		drive_queue(rig, i, size);
	}
	input_rig_put(rig, VIRTIO_PCI_COMMON_STATUS, 0xf, 1);
	assert_int_equal(input_rig_get(rig, VIRTIO_PCI_COMMON_STATUS, 1), 0xf);
	rig->seen_len = 0;
}

static bool wants_notification(
	const struct input_rig *rig, const struct input_rig_queue *queue, uint16_t before) {
	bool event_idx =
		(virtio_pci_features(&rig->function.virtio) >> VIRTIO_RING_F_EVENT_IDX & 1) != 0;
	const uint16_t *avail_event = (const uint16_t *)&queue->used->ring[queue->size];
	return event_idx ? vring_need_event(*avail_event, queue->avail->idx, before) != 0
			 : (queue->used->flags & VRING_USED_F_NO_NOTIFY) == 0;
}

bool input_rig_offer(struct input_rig *rig, unsigned index, unsigned n) {
	struct input_rig_queue *queue = &rig->queues[index];
	uint16_t before = queue->avail->idx;
	for (unsigned i = 0; i < n; i++) {
		uint16_t head = queue->avail->idx % queue->size;
		bool writable = index == 0 && !rig->readable;
		queue->desc[head] = (struct vring_desc){
			.addr = queue->buffers_address + (uint64_t)head * INPUT_RIG_BUFFER,
			.len = rig->buffer_size,
			.flags = writable ? VRING_DESC_F_WRITE : 0,
		};
		queue->avail->ring[queue->avail->idx % queue->size] = head;
		queue->avail->idx++;
	}
	if (!wants_notification(rig, queue, before)) {
		return false;
	}
	input_rig_put(rig, NOTIFY + 4 * index, index, 2);
	return true;
}

void input_rig_fill(struct input_rig *rig) {
	const struct input_rig_queue *queue = &rig->queues[0];
	uint16_t offered = queue->avail->idx - queue->seen;
	input_rig_offer(rig, 0, queue->size - offered);
}

unsigned input_rig_take(struct input_rig *rig, unsigned index) {
	struct input_rig_queue *queue = &rig->queues[index];
	unsigned n = 0;
	for (; queue->used != NULL && queue->seen != queue->used->idx; queue->seen++, n++) {
		const struct vring_used_elem *elem = &queue->used->ring[queue->seen % queue->size];
		assert_true(elem->id < queue->size);
		if (index == 0) {
			assert_int_equal(elem->len, sizeof(struct virtio_input_event));
			assert_true(rig->seen_len < INPUT_RIG_SEEN_MAX);
			memcpy(&rig->seen[rig->seen_len++],
				queue->buffers + (size_t)elem->id * INPUT_RIG_BUFFER, elem->len);
		}
	}
	return n;
}

void input_rig_spin(struct input_rig *rig) {
	while (sd_event_run(rig->event, 0) > 0) {
	}
	input_rig_take(rig, 0);
}

void input_rig_send(struct input_rig *rig, uint32_t type, uint32_t code, int32_t value) {
	const struct link_input input = {.count = 1, .events = {{type, code, value}}};
	input_function_send(&rig->function, &input);
}

void input_rig_key(struct input_rig *rig, uint32_t code, bool down) {
	input_rig_send(rig, LINK_INPUT_KEY, code, down);
}

void input_rig_assert_seen(
	const struct input_rig *rig, size_t from, const int32_t (*events)[3], size_t n) {
	assert_int_equal(rig->seen_len, from + n);
	for (size_t i = 0; i < n; i++) {
		const struct virtio_input_event *event = &rig->seen[from + i];
		assert_int_equal(event->type, events[i][0]);
		assert_int_equal(event->code, events[i][1]);
		assert_int_equal((int32_t)event->value, events[i][2]);
	}
}

bool input_rig_sees_held(const struct input_rig *rig, uint32_t code) {
	bool held = false;
	for (size_t i = 0; i < rig->seen_len; i++) {
		if (rig->seen[i].type == EV_KEY && rig->seen[i].code == code) {
			held = rig->seen[i].value != 0;
		}
	}
	return held;
}
