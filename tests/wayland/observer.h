#ifndef TESTS_OBSERVER_H
#define TESTS_OBSERVER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Sees what an output shows: captures (wlr-screencopy) one output frame after another, each
 * as soon as the compositor has committed one that changed something. The compositor copies
 * each frame for it, so no processor time is to be measured while one runs.
 */
struct observer {
	uint32_t width, height, stride; // of the output; 0 before the first frame
	const uint32_t *pixels;         // 0xxxRRGGBB, of the last frame
	uint64_t committed;             // ns, CLOCK_MONOTONIC: when that was committed
	uint64_t frames;                // captured

	struct observer_private *private;
};

/* Takes a connected Wayland socket. Returns NULL where capturing is not possible. */
struct observer *observer_create(int fd);
void observer_destroy(struct observer *observer);

/* For poll(). */
int observer_fd(struct observer *observer);

/* Handles what has come without waiting. Returns true when a new frame is there; the next
 * capture is asked for at the next call. */
bool observer_dispatch(struct observer *observer);

/* Waits for a new frame. */
bool observer_wait(struct observer *observer, int timeout_msec);

/* 0x00RRGGBB; 0xffffffff outside. */
uint32_t observer_pixel(const struct observer *observer, uint32_t x, uint32_t y);

#endif
