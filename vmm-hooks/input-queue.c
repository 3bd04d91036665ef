#include "input-queue.h"

#include <string.h>

#include "keymap.h"

static bool has_room(const struct input_queue *queue, size_t needed) {
	return queue->len + queue->held_len + needed <= INPUT_QUEUE_MAX;
}

static void push(struct input_queue *queue, const struct link_input_event *event) {
	queue->events[queue->len++] = *event;
}

static void add_press(struct input_queue *queue, const struct link_input_event *event) {
	bool repeated = queue->held[event->code];
	if (!has_room(queue, repeated ? 1 : 2)) {
		return;
	}
	queue->held_len += !repeated;
	queue->held[event->code] = true;
	push(queue, event);
}

static void add_release(struct input_queue *queue, const struct link_input_event *event) {
	if (!queue->held[event->code]) {
		return;
	}
	// The room was kept free since the press.
	queue->held[event->code] = false;
	queue->held_len--;
	push(queue, event);
}

static bool is_relative(uint32_t type) {
	return type == LINK_INPUT_REL_X || type == LINK_INPUT_REL_Y;
}

static bool is_motion(uint32_t type) {
	return type == LINK_INPUT_ABS_X || type == LINK_INPUT_ABS_Y || is_relative(type);
}

static int32_t clamp_relative(int32_t value) {
	return value > LINK_INPUT_REL_LIMIT     ? LINK_INPUT_REL_LIMIT
		: value < -LINK_INPUT_REL_LIMIT ? -LINK_INPUT_REL_LIMIT
						: value;
}

static void add_motion(struct input_queue *queue, const struct link_input_event *event) {
	for (size_t i = queue->len; i-- > 0;) {
		struct link_input_event *last = &queue->events[i];
		if (last->type == event->type) {
			last->value = is_relative(event->type)
				? clamp_relative(last->value + event->value)
				: event->value;
			return;
		}
		if (!is_motion(last->type) || is_relative(last->type) != is_relative(event->type)) {
			break;
		}
	}
	if (has_room(queue, 1)) {
		push(queue, event);
	}
}

static void add_wheel(struct input_queue *queue, struct link_input_event event) {
	int clicks = event.value < 0 ? -event.value : event.value;
	clicks = clicks < INPUT_CLICKS_MAX ? clicks : INPUT_CLICKS_MAX;
	event.value = event.value < 0 ? -1 : 1;
	for (int i = 0; i < clicks && has_room(queue, 1); i++) {
		push(queue, &event);
	}
}

void input_queue_add(struct input_queue *queue, const struct link_input *input) {
	for (uint32_t i = 0; i < input->count; i++) {
		const struct link_input_event *event = &input->events[i];
		switch (event->type) {
		case LINK_INPUT_KEY:
		case LINK_INPUT_BUTTON:
			if ((event->type == LINK_INPUT_KEY ? keymap_qcode(event->code)
							   : keymap_button(event->code)) == NULL) {
				break;
			}
			(event->value != 0 ? add_press : add_release)(queue, event);
			break;
		case LINK_INPUT_ABS_X:
		case LINK_INPUT_ABS_Y:
		case LINK_INPUT_REL_X:
		case LINK_INPUT_REL_Y:
			add_motion(queue, event);
			break;
		case LINK_INPUT_WHEEL:
		case LINK_INPUT_HWHEEL:
			add_wheel(queue, *event);
			break;
		}
	}
}

size_t input_queue_take(struct input_queue *queue,
	struct link_input_event ret_events[INPUT_BATCH_MAX], bool *ret_full) {
	size_t n = 0, keys = 0;
	while (n < queue->len && n < INPUT_BATCH_MAX && keys < INPUT_KEYS_MAX) {
		ret_events[n] = queue->events[n];
		keys += ret_events[n].type == LINK_INPUT_KEY;
		if (ret_events[n++].type == LINK_INPUT_BUTTON) {
			break;
		}
	}
	*ret_full = keys == INPUT_KEYS_MAX;
	queue->len -= n;
	memmove(queue->events, queue->events + n, queue->len * sizeof(queue->events[0]));
	return n;
}
