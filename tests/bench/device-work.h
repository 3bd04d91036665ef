#ifndef TESTS_DEVICE_WORK_H
#define TESTS_DEVICE_WORK_H

#include "guest-gpu.h"

/*
 * What a guest's driver gives a virtio-gpu to do, from the doorbell to the last answer. What
 * counts is the processor time that the device's process takes: work that keeps it busy takes
 * that long on a machine that does nothing else, and no longer on one that does. Only a query
 * is timed by the clock. No scanout shows the pictures but where that is the point, so that no answer waits for a
 * frame: this is the device alone. The same for mullion-device and for QEMU's own, each with
 * its vmm_*() below.
 */

enum work_kind {
	WORK_FULL,   // us: transfer and flush of a frame of which every byte has changed
	WORK_STILL,  // us: likewise, and nothing has changed
	WORK_SCROLL, // us: likewise, all of it moved up by 16 lines
	WORK_SMALL,  // thousands a second: transfers and flushes of 100x20 that changed
	WORK_RECTS,  // us: transfer and flush of a frame, in which 16 times 100x20 has changed
	WORK_FLIP,   // us: SET_SCANOUT, of two pictures in turn
	WORK_QUERY,  // us: GET_DISPLAY_INFO, from doorbell to completion
	WORK_MEMCPY, // us: a copy of the frame of WORK_FULL, without any device
	WORK_MEMCMP, // us: a comparison of the frame of WORK_STILL
};

struct work_task {
	enum work_kind kind;
	uint32_t width, height;
	bool scattered; // pages of 4 KiB in a wild order
	unsigned depth; // commands in flight, 1 to 16
};

#define WORK_DRIVER_PROCESSOR 0 // where driver and device are put
#define WORK_DEVICE_PROCESSOR 1
#define WORK_PICTURES 8 // a frame for each pair of commands in flight

struct device_work {
	struct virtio_guest guest;
	struct guest_gpu_picture pictures[WORK_PICTURES];
	struct work_task made; // what the pictures are for
	uint8_t *copy;         // owned: as large as all of them
	uint8_t colour;
	pid_t pid;     // of the device: whose processor time counts
	double notify; // us that a notification takes the VMM, and that do not count
};

/* The most that a guest's memory and its pictures take. */
#define WORK_RAM (UINT64_C(192) << 20)

/* On a VMM that is connected. False where the device does not start. */
bool device_work_init(struct device_work *work, struct vmm *vmm, bool poll);
void device_work_finish(struct device_work *work);

/* Finds work->notify: what the device's process takes for a doorbell of an empty queue. */
void device_work_calibrate(struct device_work *work);

/* One measurement; NAN where a command fails. */
double device_work_run(struct device_work *work, const struct work_task *task);

#endif
