#include "key-filter.h"

static bool add(uint32_t *keys, size_t *len, uint32_t keycode) {
	if (*len == KEY_FILTER_KEYS) {
		return false;
	}
	keys[(*len)++] = keycode;
	return true;
}

static bool take(uint32_t *keys, size_t *len, uint32_t keycode) {
	for (size_t i = 0; i < *len; i++) {
		if (keys[i] == keycode) {
			keys[i] = keys[--*len];
			return true;
		}
	}
	return false;
}

static size_t deliver(struct key_filter *filter, uint32_t keycode, struct key_out *ret) {
	if (!add(filter->delivered, &filter->delivered_len, keycode)) {
		return 0;
	}
	*ret = (struct key_out){.keycode = keycode, .pressed = true};
	return 1;
}

static size_t deliver_held(struct key_filter *filter, struct key_out *ret) {
	if (!filter->holding) {
		return 0;
	}
	filter->holding = false;
	return deliver(filter, filter->held, ret);
}

size_t key_filter_press(struct key_filter *filter, uint32_t keycode, enum key_kind kind,
	struct key_out ret[KEY_FILTER_OUT]) {
	size_t n = 0;
	switch (kind) {
	case KEY_BOUND:
		filter->used = true;
		add(filter->swallowed, &filter->swallowed_len, keycode);
		return 0;
	case KEY_SUPER:
		if (!filter->holding) {
			filter->holding = true;
			filter->used = false;
			filter->held = keycode;
			return 0;
		}
		break;
	case KEY_MODIFIER:
		return deliver(filter, keycode, ret);
	case KEY_PLAIN:
		break;
	}
	n += deliver_held(filter, ret);
	n += deliver(filter, keycode, ret + n);
	return n;
}

size_t key_filter_release(
	struct key_filter *filter, uint32_t keycode, struct key_out ret[KEY_FILTER_OUT]) {
	if (take(filter->swallowed, &filter->swallowed_len, keycode)) {
		return 0;
	}
	size_t n = 0;
	if (filter->holding && filter->held == keycode) {
		if (filter->used) {
			filter->holding = false;
			return 0;
		}
		n += deliver_held(filter, ret);
	}
	if (take(filter->delivered, &filter->delivered_len, keycode)) {
		ret[n++] = (struct key_out){.keycode = keycode, .pressed = false};
	}
	return n;
}

size_t key_filter_pointer(
	struct key_filter *filter, bool bound, struct key_out ret[KEY_FILTER_OUT]) {
	if (bound) {
		filter->used = true;
		return 0;
	}
	return deliver_held(filter, ret);
}

void key_filter_focus_changed(struct key_filter *filter) {
	filter->delivered_len = 0;
	filter->used = true;
}
