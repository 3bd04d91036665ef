#ifndef TESTS_ONE_GUEST_H
#define TESTS_ONE_GUEST_H

#include <stdint.h>

#include "mock.h"
#include "peer.h"
#include "session.h"

/* The real compositor with one guest, 'work', whose device the test plays, and a keyboard
 * and a pointer for its user. */
struct desk {
	struct session session;
	struct peer peer; // the device of 'work'
	pid_t hand;       // virtual-input, 0 while there is none
	int hand_in, hand_out;
};

/* For cmocka; *state is the struct desk. */
int desk_setup(void **state);
int desk_setup_with(void **state, const struct session_options *options);

/* The device of 'work' goes, and another one comes, which shows nothing yet. */
void desk_lose_device(struct desk *desk);
void desk_take_device(struct desk *desk);
int desk_teardown(void **state);

/* Until both sides have handled what was sent. */
void desk_sync(struct desk *desk);

/* A frame of one colour on a head, which is made where it is not there. */
struct peer_head *desk_show(
	struct desk *desk, unsigned number, int width, int height, uint32_t colour);

/* Waits until a number of a window (NAME or NAME:HEAD) is this, and fails otherwise. */
void desk_expect(struct desk *desk, const char *window, const char *key, int64_t value);

/* A command of virtual-input. */
void desk_do(struct desk *desk, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same while there is no device that it could wait for. */
void desk_type(struct desk *desk, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The screen's pixels, or one guest's; free pixels. */
struct desk_picture {
	uint32_t *pixels; // 0xxxRRGGBB
	uint32_t width, height;
};
struct desk_picture desk_picture(struct desk *desk, const char *guest);

/* Where the pixels of a colour lie; width 0 for none. ret_count may be NULL. */
struct desk_box {
	int x, y, width, height;
};
struct desk_box desk_find(const struct desk_picture *picture, uint32_t colour, unsigned *ret_count);

#endif
