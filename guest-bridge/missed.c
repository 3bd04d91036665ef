#include "missed.h"

void missed_note(struct missed *missed, const struct link_input *input) {
	for (uint32_t i = 0; i < input->count; i++) {
		const struct link_input_event *event = &input->events[i];
		if (event->code >= INPUT_CODES || event->value != 0) {
			continue;
		}
		if (event->type == LINK_INPUT_KEY) {
			missed->keys[event->code / 64] |= UINT64_C(1) << event->code % 64;
		} else if (event->type == LINK_INPUT_BUTTON) {
			missed->buttons[event->code / 64] |= UINT64_C(1) << event->code % 64;
		}
	}
}

static void take(uint64_t *released, uint32_t type, struct link_input *ret) {
	for (uint32_t code = 0; code < INPUT_CODES && ret->count < LINK_INPUT_MAX; code++) {
		uint64_t bit = UINT64_C(1) << code % 64;
		if ((released[code / 64] & bit) != 0) {
			released[code / 64] &= ~bit;
			ret->events[ret->count++] =
				(struct link_input_event){.type = type, .code = code};
		}
	}
}

bool missed_take(struct missed *missed, struct link_input *ret) {
	*ret = (struct link_input){0};
	take(missed->keys, LINK_INPUT_KEY, ret);
	take(missed->buttons, LINK_INPUT_BUTTON, ret);
	return ret->count > 0;
}
