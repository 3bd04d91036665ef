#ifndef VMM_HOOKS_INPUT_H
#define VMM_HOOKS_INPUT_H

#include <stdbool.h>

#include "device-link.h"
#include "input-queue.h"
#include "qmp.h"

/* A guest's keyboard and pointer: input from the device link to input-send-event. */
struct input {
	struct qmp *qmp; // borrowed; NULL: input is dropped
	struct input_queue queue;
	bool waiting; // for QEMU's answer to the last batch
};

/* Starts with nothing pressed. qmp is borrowed, may be NULL, and must stay until the next
 * input_init(). */
void input_init(struct input *input, struct qmp *qmp);

/* Sends one frame of input, or keeps it until QEMU has taken the last one. */
void input_send(struct input *input, const struct link_input *frame);

#endif
