#include "input.h"

#include <stddef.h>

#include "clock.h"
#include "keymap.h"

/* QEMU drops what finds its keyboard full. Nobody types as fast: only what was kept for a guest
 * comes so. */
#define PAUSE_USEC (15 * USEC_PER_MSEC)

static int append_button(sd_json_variant **events, const char *button, bool down) {
	return sd_json_variant_append_arraybo(events, SD_JSON_BUILD_PAIR_STRING("type", "btn"),
		SD_JSON_BUILD_PAIR_OBJECT("data", SD_JSON_BUILD_PAIR_BOOLEAN("down", down),
			SD_JSON_BUILD_PAIR_STRING("button", button)));
}

static int append_key(sd_json_variant **events, const char *qcode, bool down) {
	return sd_json_variant_append_arraybo(events, SD_JSON_BUILD_PAIR_STRING("type", "key"),
		SD_JSON_BUILD_PAIR_OBJECT("data", SD_JSON_BUILD_PAIR_BOOLEAN("down", down),
			SD_JSON_BUILD_PAIR_OBJECT("key", SD_JSON_BUILD_PAIR_STRING("type", "qcode"),
				SD_JSON_BUILD_PAIR_STRING("data", qcode))));
}

static int append_axis(
	sd_json_variant **events, const char *type, const char *axis, int32_t value) {
	return sd_json_variant_append_arraybo(events, SD_JSON_BUILD_PAIR_STRING("type", type),
		SD_JSON_BUILD_PAIR_OBJECT("data", SD_JSON_BUILD_PAIR_STRING("axis", axis),
			SD_JSON_BUILD_PAIR_INTEGER("value", value)));
}

static int append_click(sd_json_variant **events, const char *button) {
	int error = append_button(events, button, true);
	return error < 0 ? error : append_button(events, button, false);
}

static int append(sd_json_variant **events, const struct link_input_event *event) {
	switch (event->type) {
	case LINK_INPUT_KEY:
		return append_key(events, keymap_qcode(event->code), event->value != 0);
	case LINK_INPUT_BUTTON:
		return append_button(events, keymap_button(event->code), event->value != 0);
	case LINK_INPUT_ABS_X:
		return append_axis(events, "abs", "x", event->value);
	case LINK_INPUT_ABS_Y:
		return append_axis(events, "abs", "y", event->value);
	case LINK_INPUT_REL_X:
		return append_axis(events, "rel", "x", event->value);
	case LINK_INPUT_REL_Y:
		return append_axis(events, "rel", "y", event->value);
	case LINK_INPUT_WHEEL:
		return append_click(events, event->value > 0 ? "wheel-down" : "wheel-up");
	case LINK_INPUT_HWHEEL:
		return append_click(events, event->value > 0 ? "wheel-right" : "wheel-left");
	}
	return 0;
}

static void send_batch(struct input *input);

/* A refusal (a paused machine takes no input) is no reason to say it again. */
static void handle_reply(void *data, const char *error, sd_json_variant *untrusted_result) {
	struct input *input = data;
	input->waiting = false;
	send_batch(input);
}

static bool pauses(const struct input *input) {
	int enabled = SD_EVENT_OFF;
	sd_event_source_get_enabled(input->pause, &enabled);
	return enabled != SD_EVENT_OFF;
}

static int handle_pause(sd_event_source *source, uint64_t usec, void *data) {
	send_batch(data);
	return 0;
}

static void send_batch(struct input *input) {
	struct link_input_event batch[INPUT_BATCH_MAX];
	bool full;
	if (input->waiting || pauses(input)) {
		return;
	}
	size_t n = input_queue_take(&input->queue, batch, &full);
	if (n == 0) {
		return;
	}
	if (full) {
		sd_event_source_set_time_relative(input->pause, PAUSE_USEC);
		sd_event_source_set_enabled(input->pause, SD_EVENT_ONESHOT);
	}
	sd_json_variant *events = NULL, *arguments = NULL;
	int error = 0;
	for (size_t i = 0; i < n && error >= 0; i++) {
		error = append(&events, &batch[i]);
	}
	if (error >= 0) {
		error = sd_json_buildo(&arguments, SD_JSON_BUILD_PAIR_VARIANT("events", events));
	}
	if (error >= 0) {
		error = qmp_command(
			input->qmp, "input-send-event", arguments, 0, handle_reply, input);
	}
	input->waiting = error >= 0;
	sd_json_variant_unref(arguments);
	sd_json_variant_unref(events);
}

/* No repeat is worth waiting for: a guest that is slow gets fewer. */
static void handle_repeat(void *data, uint32_t code) {
	struct input *input = data;
	if (!input->waiting && !pauses(input)) {
		struct link_input frame = {.count = 1, .events = {{LINK_INPUT_KEY, code, 1}}};
		input_queue_add(&input->queue, &frame);
		send_batch(input);
	}
}

int input_init(
	struct input *input, sd_event *event, struct qmp *qmp, uint32_t rate, uint32_t delay) {
	*input = (struct input){.qmp = qmp};
	int error = sd_event_add_time_relative(
		event, &input->pause, CLOCK_MONOTONIC, 0, USEC_PER_MSEC, handle_pause, input);
	if (error >= 0) {
		error = sd_event_source_set_enabled(input->pause, SD_EVENT_OFF);
	}
	return error < 0
		? error
		: key_repeat_init(&input->repeat, event, rate, delay, handle_repeat, input);
}

void input_finish(struct input *input) {
	key_repeat_finish(&input->repeat);
	sd_event_source_disable_unref(input->pause);
	*input = (struct input){0};
}

static void follow_keys(struct input *input, const struct link_input *frame) {
	for (uint32_t i = 0; i < frame->count; i++) {
		const struct link_input_event *event = &frame->events[i];
		if (event->type == LINK_INPUT_KEY) {
			key_repeat_key(&input->repeat, event->code, event->value != 0);
		}
	}
}

void input_send(struct input *input, const struct link_input *frame) {
	if (input->qmp == NULL) {
		return;
	}
	follow_keys(input, frame);
	input_queue_add(&input->queue, frame);
	send_batch(input);
}

void input_release(struct input *input) {
	for (uint32_t code = 0; code < INPUT_CODES; code++) {
		if (input->queue.held[code]) {
			uint32_t type =
				keymap_qcode(code) != NULL ? LINK_INPUT_KEY : LINK_INPUT_BUTTON;
			input_send(input,
				&(struct link_input){.count = 1, .events = {{type, code, 0}}});
		}
	}
}
