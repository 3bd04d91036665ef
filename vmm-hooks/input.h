#ifndef VMM_HOOKS_INPUT_H
#define VMM_HOOKS_INPUT_H

#include <stdbool.h>

#include "device-link.h"
#include "input-queue.h"
#include "key-repeat.h"
#include "qmp.h"

/* A guest's keyboard and pointer: input from the device link to input-send-event. */
struct input {
	struct qmp *qmp; // borrowed; NULL: input is dropped
	struct input_queue queue;
	struct key_repeat repeat;
	bool waiting;           // for QEMU's answer to the last batch
	sd_event_source *pause; // owned: for the guest to read so many keys; enabled meanwhile
};

/*
 * Starts with nothing pressed. qmp is borrowed and must stay until input_finish(). Keys
 * repeat rate times a second after delay ms. Returns 0 or -errno.
 */
int input_init(
	struct input *input, sd_event *event, struct qmp *qmp, uint32_t rate, uint32_t delay);

/* Safe on a zeroed one. */
void input_finish(struct input *input);

/* Sends one frame of input, or keeps it until QEMU has taken the last one. */
void input_send(struct input *input, const struct link_input *frame);

/* Lets go of every key and button that is down. */
void input_release(struct input *input);

#endif
