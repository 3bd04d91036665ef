#ifndef TESTS_UNIT_BRIDGE_RIG_H
#define TESTS_UNIT_BRIDGE_RIG_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "bridge.h"
#include "clock.h"
#include "fake-compositor.h"

/*
 * A bridge and a compositor in one thread: each does what it can, in turn. The guest has a
 * slice full of noise, and its first head a mode of RIG_WIDTH x RIG_HEIGHT; the others are
 * off.
 */

#define RIG_SLICE_SIZE (32u << 20)
#define RIG_WIDTH 320u
#define RIG_HEIGHT 200u

struct rig_setup {
	struct fake_options fake;
	unsigned heads;       // 0: one
	uint64_t slice_size;  // 0: RIG_SLICE_SIZE
	uint64_t aperture;    // 0: all of the slice
	uint64_t hidden_usec; // 0: a second
	bool follow;
	bool flushed; // the first head's mode
};

/* What the bridge asks for, and what it has said. */
struct rig_head {
	struct scanout scanout;
	unsigned frames;
	const struct damage_boxes *again; // flushed at each frame, or NULL
	unsigned resized;
	bool unplugged;
	uint32_t width, height, refresh, scale; // the last size
};

struct rig {
	sd_event *event;
	struct slice slice;
	struct bridge *bridge;
	struct fake fake;
	struct rig_head head[BRIDGE_HEADS_MAX];
	uint32_t palette[256];
	unsigned looked, committed, inputs;
	struct link_input input; // the last
	bool deaf;               // the compositor does nothing
};

/* options may be zero. */
void rig_init(struct rig *rig, const struct fake_options *options);
void rig_init_with(struct rig *rig, const struct rig_setup *setup);
void rig_finish(struct rig *rig);

/* One turn of each, or half a millisecond. */
void rig_step(struct rig *rig);
void rig_spin(struct rig *rig, unsigned msec);

/* Waits until a condition holds, ten seconds at most: the machine may be busy. */
#define RIG_UNTIL(rig, condition)                                                                  \
	do {                                                                                       \
		uint64_t end = clock_usec() + 10 * USEC_PER_SEC;                                   \
		while (!(condition) && clock_usec() < end) {                                       \
			rig_step(rig);                                                             \
		}                                                                                  \
		assert_true(condition);                                                            \
	} while (0)

/* The guest's next mode, of the rig's size; the bridge is not told. */
void rig_set_mode(struct rig *rig, enum scanout_format format, uint32_t stride, uint64_t offset);

/* A mode of any head; flushed, and the bridge is not told. */
void rig_set_head(struct rig *rig, unsigned head, uint32_t width, uint32_t height, uint64_t offset);

/* The guest flushes one box of a head. */
void rig_flush(
	struct rig *rig, unsigned head, uint32_t x, uint32_t y, uint32_t width, uint32_t height);

/* A pixel as the guest sees it, a row as the compositor does. */
uint8_t *rig_guest_pixel(struct rig *rig, uint32_t x, uint32_t y);
uint8_t *rig_shown_row(struct rig *rig, uint32_t y);

/* The picture has the rig's size, this wl_shm format and this stride. */
void rig_assert_picture(struct rig *rig, uint32_t format, uint32_t stride);

/* The last commit had exactly this damage. */
void rig_assert_damage(struct rig *rig, int32_t x, int32_t y, int32_t width, int32_t height);

/* The compositor reads what the guest writes, before any look. Draws. */
void rig_assert_zero_copy(struct rig *rig);

#endif
