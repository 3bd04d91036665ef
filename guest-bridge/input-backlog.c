#include "input-backlog.h"

#include <linux/input.h>
#include <string.h>

_Static_assert(DEVICE_STATE_CONTACTS == LINK_INPUT_SLOTS, "every finger has its contact");

/* The codes of struct input_backlog.relative. */
static const uint16_t relative_codes[] = {REL_X, REL_Y, REL_HWHEEL, REL_WHEEL};

/* A frame that is being made. */
struct frame {
	struct virtio_input_event events[INPUT_FRAME_MAX];
	size_t len;
	bool overflows;
};

static void put(struct frame *frame, uint16_t type, uint16_t code, int32_t value) {
	if (frame->len == INPUT_FRAME_MAX) {
		frame->overflows = true;
		return;
	}
	frame->events[frame->len++] =
		(struct virtio_input_event){.type = type, .code = code, .value = (uint32_t)value};
}

static bool is_held(const struct device_state_pressed *pressed, uint32_t code) {
	return (pressed->held[code / 64] >> code % 64 & 1) != 0;
}

static void set_held(struct device_state_pressed *pressed, uint32_t code, bool down) {
	uint64_t bit = UINT64_C(1) << code % 64;
	pressed->held[code / 64] &= ~bit;
	pressed->held[code / 64] |= down ? bit : 0;
}

void input_backlog_init(struct input_backlog *backlog, struct device_state_input *state) {
	*backlog = (struct input_backlog){
		.state = state,
		.now = {.x = state->told.x, .y = state->told.y},
		.dropped = true,
	};
}

void input_backlog_clear(struct input_backlog *backlog) {
	struct device_state_input *state = backlog->state;
	state->told = (struct device_state_pressed){0};
	state->slot = 0;
	backlog->now = (struct device_state_pressed){0};
	memset(backlog->relative, 0, sizeof(backlog->relative));
	backlog->moved = false;
	backlog->contacts_moved = 0;
	backlog->dropped = false;
	backlog->first = backlog->len = 0;
}

static void put_contact(struct frame *frame, unsigned slot, uint16_t code, int32_t value) {
	put(frame, EV_ABS, ABS_MT_SLOT, (int32_t)slot);
	put(frame, EV_ABS, code, value);
}

static void put_place(struct frame *frame, unsigned slot, const struct device_state_contact *at) {
	put_contact(frame, slot, ABS_MT_POSITION_X, at->x);
	put(frame, EV_ABS, ABS_MT_POSITION_Y, at->y);
}

/* All motion that is not told yet; what was dropped before it is told first. */
static void put_motion(struct input_backlog *backlog, struct frame *frame) {
	if (backlog->dropped) {
		return;
	}
	for (unsigned slot = 0; slot < DEVICE_STATE_CONTACTS; slot++) {
		const struct device_state_contact *contact = &backlog->now.contacts[slot];
		if ((backlog->contacts_moved >> slot & 1) != 0 && contact->id != 0) {
			put_place(frame, slot, contact);
		}
	}
	backlog->contacts_moved = 0;
	if (backlog->moved) {
		put(frame, EV_ABS, ABS_X, backlog->now.x);
		put(frame, EV_ABS, ABS_Y, backlog->now.y);
		backlog->moved = false;
	}
	for (size_t i = 0; i < sizeof(relative_codes) / sizeof(relative_codes[0]); i++) {
		if (backlog->relative[i] != 0) {
			put(frame, EV_REL, relative_codes[i], backlog->relative[i]);
			backlog->relative[i] = 0;
		}
	}
}

static void put_end(struct frame *frame) {
	if (frame->len > 0) {
		put(frame, EV_SYN, SYN_REPORT, 0);
	}
}

static void press(struct input_backlog *backlog, struct frame *frame, uint32_t code, bool down) {
	if (code < DEVICE_STATE_INPUT_CODES && is_held(&backlog->now, code) != down) {
		set_held(&backlog->now, code, down);
		put(frame, EV_KEY, (uint16_t)code, down);
	}
}

/* The contact that single-touch programs see. */
static const struct device_state_contact *first_contact(const struct device_state_pressed *now) {
	for (unsigned slot = 0; slot < DEVICE_STATE_CONTACTS; slot++) {
		if (now->contacts[slot].id != 0) {
			return &now->contacts[slot];
		}
	}
	return NULL;
}

static void touch(struct input_backlog *backlog, struct frame *frame, uint32_t slot, bool down) {
	struct device_state_contact *contact = &backlog->now.contacts[slot];
	if ((contact->id != 0) == down) {
		return;
	}
	if (down) {
		backlog->contact_id =
			backlog->contact_id == UINT16_MAX ? 1 : backlog->contact_id + 1;
		contact->id = backlog->contact_id;
		backlog->contacts_moved |= UINT32_C(1) << slot;
	} else {
		contact->id = 0;
	}
	put_contact(frame, slot, ABS_MT_TRACKING_ID, down ? (int32_t)contact->id : -1);
	press(backlog, frame, BTN_TOUCH, first_contact(&backlog->now) != NULL);
}

static void add_relative(struct input_backlog *backlog, unsigned i, int64_t by) {
	int64_t sum = backlog->relative[i] + by;
	backlog->relative[i] = sum > LINK_INPUT_REL_LIMIT ? LINK_INPUT_REL_LIMIT
		: sum < -LINK_INPUT_REL_LIMIT             ? -LINK_INPUT_REL_LIMIT
							  : (int32_t)sum;
}

static void move_contact(struct input_backlog *backlog, const struct link_input_event *event) {
	struct device_state_contact *contact = &backlog->now.contacts[event->code];
	*(event->type == LINK_INPUT_TOUCH_X ? &contact->x : &contact->y) = event->value;
	backlog->contacts_moved |= UINT32_C(1) << event->code;
}

/* Motion waits in `now`; a press that follows it is put after it. */
static void add(
	struct input_backlog *backlog, struct frame *frame, const struct link_input_event *event) {
	switch (event->type) {
	case LINK_INPUT_KEY:
	case LINK_INPUT_BUTTON:
		put_motion(backlog, frame);
		press(backlog, frame, event->code, event->value != 0);
		break;
	case LINK_INPUT_TOUCH:
		if (event->code < DEVICE_STATE_CONTACTS) {
			touch(backlog, frame, event->code, event->value != 0);
		}
		break;
	case LINK_INPUT_TOUCH_X:
	case LINK_INPUT_TOUCH_Y:
		if (event->code < DEVICE_STATE_CONTACTS) {
			move_contact(backlog, event);
		}
		break;
	case LINK_INPUT_ABS_X:
		backlog->now.x = event->value;
		backlog->moved = true;
		break;
	case LINK_INPUT_ABS_Y:
		backlog->now.y = event->value;
		backlog->moved = true;
		break;
	case LINK_INPUT_REL_X:
		add_relative(backlog, 0, event->value);
		break;
	case LINK_INPUT_REL_Y:
		add_relative(backlog, 1, event->value);
		break;
	case LINK_INPUT_HWHEEL:
		add_relative(backlog, 2, event->value);
		break;
	case LINK_INPUT_WHEEL:
		add_relative(backlog, 3,
			-(int64_t)event->value); // Linux' is positive away from the user
		break;
	}
}

static void follow_first_contact(struct input_backlog *backlog) {
	const struct device_state_contact *contact = first_contact(&backlog->now);
	if (contact != NULL && (contact->x != backlog->now.x || contact->y != backlog->now.y)) {
		backlog->now.x = contact->x;
		backlog->now.y = contact->y;
		backlog->moved = true;
	}
}

static void append(struct input_backlog *backlog, const struct frame *frame) {
	if (frame->overflows || frame->len > INPUT_BACKLOG_MAX - backlog->len) {
		backlog->first = backlog->len = 0;
		backlog->dropped = true;
		return;
	}
	for (size_t i = 0; i < frame->len; i++) {
		backlog->ring[(backlog->first + backlog->len++) % INPUT_BACKLOG_MAX] =
			frame->events[i];
	}
}

void input_backlog_add(struct input_backlog *backlog, const struct link_input *input) {
	struct frame frame = {0};
	for (uint32_t i = 0; i < input->count && i < LINK_INPUT_MAX; i++) {
		add(backlog, &frame, &input->events[i]);
	}
	follow_first_contact(backlog);
	if (frame.len > 0 && !backlog->dropped) {
		put_motion(backlog, &frame);
		put_end(&frame);
		append(backlog, &frame);
	}
}

/* Room for a contact's events and the end. */
static bool has_room(const struct frame *frame) {
	return frame->len + 6 <= INPUT_FRAME_MAX;
}

/* A contact that another one has followed goes first. */
static void put_contact_difference(
	const struct input_backlog *backlog, struct frame *frame, unsigned slot) {
	const struct device_state_contact *told = &backlog->state->told.contacts[slot];
	const struct device_state_contact *now = &backlog->now.contacts[slot];
	if (told->id != now->id && told->id != 0) {
		put_contact(frame, slot, ABS_MT_TRACKING_ID, -1);
	} else if (told->id != now->id) {
		put_contact(frame, slot, ABS_MT_TRACKING_ID, (int32_t)now->id);
		put_place(frame, slot, now);
	} else if (now->id != 0 && (told->x != now->x || told->y != now->y)) {
		put_place(frame, slot, now);
	}
}

/* As much of the difference as one frame takes. */
static void put_difference(const struct input_backlog *backlog, struct frame *frame) {
	const struct device_state_pressed *told = &backlog->state->told, *now = &backlog->now;
	for (unsigned slot = 0; slot < DEVICE_STATE_CONTACTS && has_room(frame); slot++) {
		put_contact_difference(backlog, frame, slot);
	}
	if ((told->x != now->x || told->y != now->y) && has_room(frame)) {
		put(frame, EV_ABS, ABS_X, now->x);
		put(frame, EV_ABS, ABS_Y, now->y);
	}
	for (uint32_t code = 0; code < DEVICE_STATE_INPUT_CODES && has_room(frame); code++) {
		if (is_held(told, code) != is_held(now, code)) {
			put(frame, EV_KEY, (uint16_t)code, is_held(now, code));
		}
	}
	put_end(frame);
}

/* Fills an empty ring with what is known, but not told. */
static void fill(struct input_backlog *backlog) {
	struct frame frame = {0};
	if (backlog->dropped) {
		put_difference(backlog, &frame);
		backlog->dropped = frame.len > 0;
		backlog->moved = false;
		backlog->contacts_moved = 0;
	}
	if (frame.len == 0) {
		put_motion(backlog, &frame);
		put_end(&frame);
	}
	append(backlog, &frame);
}

size_t input_backlog_peek(
	struct input_backlog *backlog, struct virtio_input_event ret[INPUT_FRAME_MAX]) {
	if (backlog->len == 0) {
		fill(backlog);
	}
	for (size_t i = 0; i < backlog->len && i < INPUT_FRAME_MAX; i++) {
		ret[i] = backlog->ring[(backlog->first + i) % INPUT_BACKLOG_MAX];
		if (ret[i].type == EV_SYN) {
			return i + 1;
		}
	}
	return 0;
}

static void tell_axis(struct device_state_input *state, uint16_t code, int32_t value) {
	struct device_state_contact *contact =
		&state->told.contacts[state->slot % DEVICE_STATE_CONTACTS];
	switch (code) {
	case ABS_X:
		state->told.x = value;
		break;
	case ABS_Y:
		state->told.y = value;
		break;
	case ABS_MT_SLOT:
		state->slot = (uint16_t)value;
		break;
	case ABS_MT_TRACKING_ID:
		contact->id = value > 0 ? (uint32_t)value : 0;
		break;
	case ABS_MT_POSITION_X:
		contact->x = value;
		break;
	case ABS_MT_POSITION_Y:
		contact->y = value;
		break;
	}
}

void input_backlog_told(struct input_backlog *backlog, size_t n) {
	for (; n > 0 && backlog->len > 0; n--) {
		const struct virtio_input_event *event = &backlog->ring[backlog->first];
		if (event->type == EV_KEY) {
			set_held(&backlog->state->told, event->code, event->value != 0);
		} else if (event->type == EV_ABS) {
			tell_axis(backlog->state, event->code, (int32_t)event->value);
		}
		backlog->first = (backlog->first + 1) % INPUT_BACKLOG_MAX;
		backlog->len--;
	}
	if (backlog->len == 0) {
		backlog->first = 0;
	}
}
