#include "input-route.h"

#include <linux/input.h>

#include "input-config.h"

#define LINK LINK_FUNCTION_GPU

void input_route_init(struct input_route *route,
	void (*send)(void *data, const struct link_input *input), void *data) {
	*route = (struct input_route){.send = send, .data = data};
}

static bool runs(const struct input_route *route, enum link_function function) {
	return route->functions[function] != NULL &&
		input_function_runs(route->functions[function]);
}

static enum link_function place_or_link(
	const struct input_route *route, enum link_function function) {
	return runs(route, function) ? function : LINK;
}

static void flush(struct input_route *route, enum link_function place) {
	struct link_input *input = &route->pending[place];
	if (input->count == 0) {
		return;
	}
	if (place == LINK) {
		route->send(route->data, input);
	} else {
		input_function_send(route->functions[place], input);
	}
	input->count = 0;
}

static void append(struct input_route *route, enum link_function place, uint32_t type,
	uint32_t code, int32_t value) {
	struct link_input *input = &route->pending[place];
	if (input->count == LINK_INPUT_MAX) {
		flush(route, place);
	}
	input->events[input->count++] =
		(struct link_input_event){.type = type, .code = code, .value = value};
}

/* Where a press or a release goes: the one to `to`, the other to where that went. False for one
 * that changes nothing. */
static bool follow(uint8_t *held, bool down, enum link_function to, enum link_function *ret) {
	if ((*held != 0) == down) {
		return false;
	}
	*ret = down ? to : (enum link_function)(*held - 1);
	*held = down ? (uint8_t)(1 + to) : 0;
	return true;
}

static void press(
	struct input_route *route, enum link_function to, const struct link_input_event *event) {
	enum link_function place;
	if (event->code < DEVICE_STATE_INPUT_CODES &&
		follow(&route->held[event->code], event->value != 0, to, &place)) {
		append(route, place, event->type, event->code, event->value);
	}
}

static enum link_function key_place(const struct input_route *route, uint32_t code) {
	return code < DEVICE_STATE_INPUT_CODES &&
			input_config_has(LINK_FUNCTION_KEYBOARD, EV_KEY, code)
		? place_or_link(route, LINK_FUNCTION_KEYBOARD)
		: LINK;
}

static enum link_function pointer_place(const struct input_route *route) {
	return place_or_link(route, route->locked ? LINK_FUNCTION_MOUSE : LINK_FUNCTION_TABLET);
}

static void move(struct input_route *route, const struct link_input_event *event, bool locked) {
	route->locked = locked;
	append(route, pointer_place(route), event->type, event->code, event->value);
}

static void send_event(struct input_route *route, const struct link_input_event *event) {
	switch (event->type) {
	case LINK_INPUT_KEY:
		press(route, key_place(route, event->code), event);
		break;
	case LINK_INPUT_BUTTON:
		press(route, pointer_place(route), event);
		break;
	case LINK_INPUT_ABS_X:
	case LINK_INPUT_ABS_Y:
		move(route, event, false);
		break;
	case LINK_INPUT_REL_X:
	case LINK_INPUT_REL_Y:
		move(route, event, true);
		break;
	case LINK_INPUT_WHEEL:
	case LINK_INPUT_HWHEEL:
		append(route, pointer_place(route), event->type, event->code, event->value);
		break;
	}
}

static bool is_finger(const struct link_input_event *event) {
	return event->type == LINK_INPUT_TOUCH || event->type == LINK_INPUT_TOUCH_X ||
		event->type == LINK_INPUT_TOUCH_Y;
}

/* To a touch screen, or into fingers, of which a pointer is made. */
static void touch(struct input_route *route, const struct link_input_event *event,
	struct link_input *fingers) {
	if (event->code >= LINK_INPUT_SLOTS) {
		return;
	}
	uint8_t *contact = &route->contacts[event->code];
	enum link_function place;
	if (event->type != LINK_INPUT_TOUCH) {
		if (*contact == 0) {
			return;
		}
		place = *contact - 1;
	} else if (!follow(contact, event->value != 0, place_or_link(route, LINK_FUNCTION_TOUCH),
			   &place)) {
		return;
	}
	if (place == LINK) {
		fingers->events[fingers->count++] = *event;
	} else {
		append(route, place, event->type, event->code, event->value);
	}
}

void input_route_send(struct input_route *route, const struct link_input *input) {
	struct link_input fingers = {0};
	for (uint32_t i = 0; i < input->count && i < LINK_INPUT_MAX; i++) {
		if (is_finger(&input->events[i])) {
			touch(route, &input->events[i], &fingers);
		} else {
			send_event(route, &input->events[i]);
		}
	}
	touch_pointer_convert(&route->touch_pointer, &fingers);
	for (uint32_t i = 0; i < fingers.count; i++) {
		send_event(route, &fingers.events[i]);
	}
	for (unsigned i = 0; i < LINK_FUNCTIONS; i++) {
		flush(route, i);
	}
}
