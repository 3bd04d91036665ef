#ifndef TESTS_SHOWN_H
#define TESTS_SHOWN_H

#include "guest-gpu.h"
#include "mock.h"
#include "recorder.h"

/*
 * A guest's virtio-gpu driver, the real device, and the compositor that shows it, played by a
 * recorder: what becomes of commands on the screen.
 */
struct shown {
	struct mock mock;
	struct virtio_guest guest;
	struct recorder *recorder;
	int patience; // ms, for an answer or a picture
};

/* Of a cmocka test. driver may be NULL. */
int shown_start(void **state, const struct virtio_guest_options *driver, int patience);
int shown_end(void **state);

/* Sends a command; waits for one answer, while the compositor works; both. An answer is an
 * enum virtio_gpu_ctrl_type, or -1 where none came. */
void shown_send(struct shown *shown, unsigned queue, struct guest_gpu_request request);
int shown_await(struct shown *shown, unsigned queue);
int shown_call(struct shown *shown, struct guest_gpu_request request);

/* A pattern that tells errors of stride and offset. */
void shown_draw(struct guest_gpu_picture *picture);

/* For recorder_wait(), with a struct guest_gpu_picture: whether it is on the screen. */
bool shown_is(struct recorder *recorder, void *data);
void shown_assert(struct shown *shown, struct guest_gpu_picture *picture);

#endif
