#include "touch-pointer.h"

#include <linux/input-event-codes.h>

static void append(struct link_input *input, uint32_t type, uint32_t code, int32_t value) {
	input->events[input->count++] = (struct link_input_event){type, code, value};
}

void touch_pointer_convert(struct touch_pointer *pointer, struct link_input *input) {
	// Never more events than there were: none is overwritten before it is read.
	uint32_t count = input->count;
	bool press = false; // waits for the place
	input->count = 0;
	for (uint32_t i = 0; i < count; i++) {
		const struct link_input_event event = input->events[i];
		bool first = pointer->down && event.code == pointer->slot;
		switch (event.type) {
		case LINK_INPUT_TOUCH:
			if (event.value == 1 && !pointer->down) {
				*pointer = (struct touch_pointer){.down = true, .slot = event.code};
				press = true;
			} else if (event.value == 0 && first) {
				if (press) {
					append(input, LINK_INPUT_BUTTON, BTN_LEFT, 1);
				}
				append(input, LINK_INPUT_BUTTON, BTN_LEFT, 0);
				pointer->down = press = false;
			}
			break;
		case LINK_INPUT_TOUCH_X:
		case LINK_INPUT_TOUCH_Y:
			if (first) {
				bool x = event.type == LINK_INPUT_TOUCH_X;
				append(input, x ? LINK_INPUT_ABS_X : LINK_INPUT_ABS_Y, 0,
					event.value);
			}
			break;
		default:
			append(input, event.type, event.code, event.value);
		}
	}
	if (press) {
		append(input, LINK_INPUT_BUTTON, BTN_LEFT, 1);
	}
}
