#include "key-hold.h"

#include <string.h>

static bool is_held(const struct key_hold *hold, uint32_t keycode) {
	for (size_t i = 0; i < hold->len; i++) {
		if (hold->keys[i].key.keycode == keycode) {
			return true;
		}
	}
	return false;
}

/* Presses whose releases are still to come. */
static size_t count_down(const struct key_hold *hold) {
	size_t down = 0;
	for (size_t i = 0; i < hold->len; i++) {
		bool later = false;
		for (size_t j = i + 1; j < hold->len && !later; j++) {
			later = hold->keys[j].key.keycode == hold->keys[i].key.keycode;
		}
		down += hold->keys[i].key.pressed && !later;
	}
	return down;
}

static bool has_room(const struct key_hold *hold, struct key_out key) {
	if (!key.pressed) {
		return hold->len < KEY_HOLD_MAX;
	}
	return hold->len + count_down(hold) + 2 <= KEY_HOLD_MAX;
}

static void append(struct key_hold *hold, const struct key_held *key) {
	if (has_room(hold, key->key)) {
		hold->keys[hold->len++] = *key;
	}
}

/* From the front. */
static void drop(struct key_hold *hold, size_t n) {
	hold->len -= n;
	memmove(hold->keys, hold->keys + n, hold->len * sizeof(hold->keys[0]));
	explicit_bzero(hold->keys + hold->len, n * sizeof(hold->keys[0]));
}

void key_hold_add(struct key_hold *hold, struct key_out key, uint64_t now) {
	append(hold, &(struct key_held){.key = key, .time = now});
}

void key_hold_add_sent(struct key_hold *hold, struct key_out key, uint32_t serial, uint64_t now) {
	append(hold, &(struct key_held){.key = key, .time = now, .serial = serial, .sent = true});
}

void key_hold_confirm(struct key_hold *hold, uint32_t serial) {
	size_t n = 0;
	while (n < hold->len && hold->keys[n].sent &&
		(int32_t)(serial - hold->keys[n].serial) >= 0) {
		n++;
	}
	drop(hold, n);
}

void key_hold_unsend(struct key_hold *hold) {
	for (size_t i = 0; i < hold->len; i++) {
		hold->keys[i].sent = false;
	}
}

void key_hold_press_first(struct key_hold *hold, uint32_t keycode, uint64_t now) {
	const struct key_out key = {.keycode = keycode, .pressed = true};
	if (is_held(hold, keycode) || !has_room(hold, key)) {
		return;
	}
	memmove(hold->keys + 1, hold->keys, hold->len * sizeof(hold->keys[0]));
	hold->keys[0] = (struct key_held){.key = key, .time = now};
	hold->len++;
}

size_t key_hold_take(struct key_hold *hold, uint64_t now, struct key_out ret[KEY_HOLD_MAX]) {
	size_t from = 0, n = 0;
	while (from < hold->len && hold->keys[from].sent) {
		from++;
	}
	for (size_t i = from; i < hold->len; i++) {
		if (now - hold->keys[i].time <= KEY_HOLD_TIME) {
			ret[n++] = hold->keys[i].key;
		}
	}
	explicit_bzero(hold->keys + from, (hold->len - from) * sizeof(hold->keys[0]));
	hold->len = from;
	return n;
}

void key_hold_clear(struct key_hold *hold) {
	explicit_bzero(hold, sizeof(*hold));
}
