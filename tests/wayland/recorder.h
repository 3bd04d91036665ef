#ifndef TESTS_RECORDER_H
#define TESTS_RECORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * A small Wayland compositor inside a test: it has mullion_guest_v1, ticks at 60 Hz, and
 * records what a device commits. Every byte of every buffer is read, so a buffer that
 * reaches past its memory ends the client with an error, which `gone` shows. Works only
 * while recorder_run() or recorder_wait() is called.
 */

#define RECORDER_FORMATS_ALL 1 // also 16 and 24 bit formats, which not every compositor has

struct recorder_box {
	int32_t x, y, width, height;
};

#define RECORDER_BOXES 64

struct recorder {
	// Of the last commit with a buffer.
	uint32_t width, height, stride, format; // format: enum wl_shm_format
	uint32_t *pixels;                       // owned: width * height, 0x00RRGGBB
	struct recorder_box damage[RECORDER_BOXES];
	size_t damage_len;
	uint64_t commit_time; // ns

	uint64_t commits;    // with a buffer
	uint64_t unmapped;   // commits that took the buffer away
	uint64_t out_of_box; // commits that changed pixels outside their damage
	bool gone;           // the client has left, or was thrown out

	/* Called at each commit with a buffer; may be NULL. */
	void (*on_commit)(struct recorder *recorder, void *data);
	void *data;

	struct recorder_private *private;
};

/* Makes a recorder and the client's end of a connection to it, which is the caller's.
 * Returns NULL where that fails. */
struct recorder *recorder_create(unsigned flags, int *ret_fd);
void recorder_destroy(struct recorder *recorder);

/* A further connection; the earlier client's commits no longer count. */
int recorder_connect(struct recorder *recorder);

void recorder_run(struct recorder *recorder, int msec);

/* Runs until done() says so. Returns false when the time is over. */
bool recorder_wait(struct recorder *recorder, bool (*done)(struct recorder *recorder, void *data),
	void *data, int timeout_msec);

/* Waits for the next commit. */
bool recorder_wait_commit(struct recorder *recorder, int timeout_msec);

/* Tells the client whether it can be seen; hidden, it gets no frame events. */
void recorder_set_visible(struct recorder *recorder, bool visible);

/* The sum of the last damage's boxes, in pixels. */
uint64_t recorder_damage_pixels(const struct recorder *recorder);

static inline uint32_t recorder_pixel(const struct recorder *recorder, uint32_t x, uint32_t y) {
	return recorder->pixels[(uint64_t)y * recorder->width + x];
}

#endif
