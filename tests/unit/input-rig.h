#ifndef TESTS_INPUT_RIG_H
#define TESTS_INPUT_RIG_H

#include <linux/virtio_input.h>
#include <linux/virtio_ring.h>
#include <stdbool.h>

#include "input-function.h"

/*
 * One input function with its state, and a guest's driver of it in memory of the test's own. The
 * driver offers buffers and takes them back with what was told.
 */

#define INPUT_RIG_RAM 0x100000 // guest address
#define INPUT_RIG_RAM_SIZE 0x20000
#define INPUT_RIG_SEEN_MAX 4096
#define INPUT_RIG_BUFFER 64 // bytes from one to the next

struct input_rig_queue {
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint8_t *buffers;
	uint64_t buffers_address;
	uint16_t size;
	uint16_t seen; // used elements, in all
};

struct input_rig {
	sd_event *event; // owned
	int state_fd;    // owned
	struct device_store store;
	struct keep keep;
	struct dma dma;
	int ram_fd;   // owned
	uint8_t *ram; // owned
	struct input_function function;
	bool busy;
	uint16_t buffer_size; // bytes that the driver says its buffers have
	bool readable;        // and that they are for reading
	struct input_rig_queue queues[INPUT_FUNCTION_QUEUES];
	struct virtio_input_event seen[INPUT_RIG_SEEN_MAX]; // all that was told
	size_t seen_len;
};

/* A device at power-on, for which presses may come as fast as they like. All of it asserts. */
void input_rig_init(struct input_rig *rig, enum link_function function);
void input_rig_finish(struct input_rig *rig);

/* The process dies, and another one goes on. */
void input_rig_replace(struct input_rig *rig);

/* A driver begins: features, and queues of that size without a buffer. */
void input_rig_drive(struct input_rig *rig, uint64_t features, uint16_t size);

/* Makes n buffers of a queue available, and notifies as the device has asked for it. Returns
 * whether that was so. */
bool input_rig_offer(struct input_rig *rig, unsigned queue, unsigned n);

/* Offers every buffer for events that the device has not, as a driver does. */
void input_rig_fill(struct input_rig *rig);

/* Takes what was used; events are seen from then on. Returns how many. */
unsigned input_rig_take(struct input_rig *rig, unsigned queue);

/* Lets the device do all that it has to, and takes the events. */
void input_rig_spin(struct input_rig *rig);

void input_rig_send(struct input_rig *rig, uint32_t type, uint32_t code, int32_t value);
/* Key by key. */
void input_rig_key(struct input_rig *rig, uint32_t code, bool down);

/* The registers of virtio's window. */
uint64_t input_rig_get(struct input_rig *rig, uint32_t offset, uint32_t count);
void input_rig_put(struct input_rig *rig, uint32_t offset, uint64_t value, uint32_t count);

/* What was seen from an event on: {type, code, value} n times. */
void input_rig_assert_seen(
	const struct input_rig *rig, size_t from, const int32_t (*events)[3], size_t n);

/* What a guest that has seen all of that holds for pressed. */
bool input_rig_sees_held(const struct input_rig *rig, uint32_t code);

#endif
