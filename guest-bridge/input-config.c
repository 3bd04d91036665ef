#include "input-config.h"

#include <linux/input.h>
#include <string.h>

#include "device-state.h"

/* Of virtio; the product is the function's number. */
#define VENDOR 0x1af4
#define VERSION 1

static const char *const names[LINK_FUNCTIONS] = {
	[LINK_FUNCTION_KEYBOARD] = "mullion keyboard",
	[LINK_FUNCTION_TABLET] = "mullion tablet",
	[LINK_FUNCTION_MOUSE] = "mullion mouse",
	[LINK_FUNCTION_TOUCH] = "mullion touch screen",
};

/* The events that there are, from code to code. Not every key that has a number: older Linux
 * kernels do not tell of a keyboard with so many, as their names then do not fit a message. */
static const struct events {
	enum link_function function;
	uint16_t type, first, last;
} events[] = {
	{LINK_FUNCTION_KEYBOARD, EV_KEY, KEY_ESC, KEY_MICMUTE},
	{LINK_FUNCTION_KEYBOARD, EV_KEY, KEY_OK, KEY_MESSENGER},
	{LINK_FUNCTION_KEYBOARD, EV_KEY, KEY_BUTTONCONFIG, KEY_EMOJI_PICKER},
	{LINK_FUNCTION_KEYBOARD, EV_LED, LED_NUML, LED_SCROLLL},
	{LINK_FUNCTION_KEYBOARD, EV_REP, REP_DELAY, REP_PERIOD},
	{LINK_FUNCTION_TABLET, EV_KEY, BTN_LEFT, BTN_TASK},
	{LINK_FUNCTION_TABLET, EV_ABS, ABS_X, ABS_Y},
	{LINK_FUNCTION_TABLET, EV_REL, REL_HWHEEL, REL_HWHEEL},
	{LINK_FUNCTION_TABLET, EV_REL, REL_WHEEL, REL_WHEEL},
	{LINK_FUNCTION_MOUSE, EV_KEY, BTN_LEFT, BTN_TASK},
	{LINK_FUNCTION_MOUSE, EV_REL, REL_X, REL_Y},
	{LINK_FUNCTION_MOUSE, EV_REL, REL_HWHEEL, REL_HWHEEL},
	{LINK_FUNCTION_MOUSE, EV_REL, REL_WHEEL, REL_WHEEL},
	{LINK_FUNCTION_TOUCH, EV_KEY, BTN_TOUCH, BTN_TOUCH},
	{LINK_FUNCTION_TOUCH, EV_ABS, ABS_X, ABS_Y},
	{LINK_FUNCTION_TOUCH, EV_ABS, ABS_MT_SLOT, ABS_MT_SLOT},
	{LINK_FUNCTION_TOUCH, EV_ABS, ABS_MT_POSITION_X, ABS_MT_POSITION_Y},
	{LINK_FUNCTION_TOUCH, EV_ABS, ABS_MT_TRACKING_ID, ABS_MT_TRACKING_ID},
};

bool input_config_has(enum link_function function, uint16_t type, uint32_t code) {
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		if (events[i].function == function && events[i].type == type &&
			code >= events[i].first && code <= events[i].last) {
			return true;
		}
	}
	return false;
}

static void set_bit(struct virtio_input_config *ret, unsigned bit) {
	ret->u.bitmap[bit / 8] |= (uint8_t)(1 << bit % 8);
	if (ret->size <= bit / 8) {
		ret->size = (uint8_t)(bit / 8 + 1);
	}
}

static void read_text(const char *text, struct virtio_input_config *ret) {
	ret->size = (uint8_t)strnlen(text, sizeof(ret->u.string));
	memcpy(ret->u.string, text, ret->size);
}

static void read_events(
	enum link_function function, uint8_t type, struct virtio_input_config *ret) {
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		if (events[i].function == function && events[i].type == type) {
			for (unsigned code = events[i].first; code <= events[i].last; code++) {
				set_bit(ret, code);
			}
		}
	}
}

static void read_axis(enum link_function function, uint8_t axis, struct virtio_input_config *ret) {
	if (!input_config_has(function, EV_ABS, axis)) {
		return;
	}
	ret->size = sizeof(ret->u.abs);
	if (axis == ABS_MT_SLOT) {
		ret->u.abs.max = DEVICE_STATE_CONTACTS - 1;
	} else if (axis == ABS_MT_TRACKING_ID) {
		ret->u.abs.max = INPUT_CONFIG_CONTACT_MAX;
	} else {
		ret->u.abs.max = LINK_INPUT_ABS_LIMIT;
		ret->u.abs.res = INPUT_CONFIG_RESOLUTION;
	}
}

void input_config_read(enum link_function function, const char *serial, uint8_t select,
	uint8_t subsel, struct virtio_input_config *ret) {
	*ret = (struct virtio_input_config){.select = select, .subsel = subsel};
	if (select == VIRTIO_INPUT_CFG_EV_BITS) {
		read_events(function, subsel, ret);
	} else if (select == VIRTIO_INPUT_CFG_ABS_INFO) {
		read_axis(function, subsel, ret);
	} else if (subsel != 0) {
		return;
	} else if (select == VIRTIO_INPUT_CFG_ID_NAME) {
		read_text(names[function], ret);
	} else if (select == VIRTIO_INPUT_CFG_ID_SERIAL) {
		read_text(serial, ret);
	} else if (select == VIRTIO_INPUT_CFG_ID_DEVIDS) {
		ret->size = sizeof(ret->u.ids);
		ret->u.ids = (struct virtio_input_devids){
			BUS_VIRTUAL, VENDOR, (uint16_t)function, VERSION};
	} else if (select == VIRTIO_INPUT_CFG_PROP_BITS && function == LINK_FUNCTION_TOUCH) {
		set_bit(ret, INPUT_PROP_DIRECT);
	}
}
