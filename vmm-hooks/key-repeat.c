#include "key-repeat.h"

#include <linux/input-event-codes.h>

#include "clock.h"

static bool repeats(uint32_t code) {
	switch (code) {
	case KEY_LEFTSHIFT:
	case KEY_RIGHTSHIFT:
	case KEY_LEFTCTRL:
	case KEY_RIGHTCTRL:
	case KEY_LEFTALT:
	case KEY_RIGHTALT:
	case KEY_LEFTMETA:
	case KEY_RIGHTMETA:
	case KEY_CAPSLOCK:
	case KEY_NUMLOCK:
	case KEY_SCROLLLOCK:
	case KEY_PAUSE:
	case KEY_SYSRQ:
	case KEY_POWER:
	case KEY_SLEEP:
		return false;
	}
	return true;
}

static void stop(struct key_repeat *repeat) {
	repeat->code = 0;
	sd_event_source_set_enabled(repeat->timer, SD_EVENT_OFF);
}

static void arm(struct key_repeat *repeat, uint64_t usec) {
	sd_event_source_set_time_relative(repeat->timer, usec);
	sd_event_source_set_enabled(repeat->timer, SD_EVENT_ONESHOT);
}

static int handle_timer(sd_event_source *source, uint64_t usec, void *data) {
	struct key_repeat *repeat = data;
	arm(repeat, repeat->period);
	repeat->repeat(repeat->data, repeat->code);
	return 0;
}

int key_repeat_init(struct key_repeat *repeat, sd_event *event, uint32_t rate, uint32_t delay,
	void (*func)(void *data, uint32_t code), void *data) {
	*repeat = (struct key_repeat){
		.delay = delay * USEC_PER_MSEC,
		.period = rate == 0 ? 0 : USEC_PER_SEC / rate,
		.repeat = func,
		.data = data,
	};
	int error = sd_event_add_time_relative(
		event, &repeat->timer, CLOCK_MONOTONIC, 0, USEC_PER_MSEC, handle_timer, repeat);
	if (error < 0) {
		return error;
	}
	return sd_event_source_set_enabled(repeat->timer, SD_EVENT_OFF);
}

void key_repeat_finish(struct key_repeat *repeat) {
	sd_event_source_disable_unref(repeat->timer);
	*repeat = (struct key_repeat){0};
}

void key_repeat_key(struct key_repeat *repeat, uint32_t code, bool pressed) {
	if (repeat->timer == NULL || repeat->period == 0) {
		return;
	}
	if (!pressed && code == repeat->code) {
		stop(repeat);
	} else if (pressed && repeats(code)) {
		repeat->code = code;
		arm(repeat, repeat->delay);
	}
}
