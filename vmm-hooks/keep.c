#include "keep.h"

#include <errno.h>

#include "fd.h"

void keep_init(struct keep *keep, enum link_function function, int link) {
	keep->function = function;
	keep->link = link;
	keep->untold = 0;
	keep->waiting = NULL;
	for (unsigned slot = 0; slot < LINK_FUNCTION_SLOTS; slot++) {
		keep->fds[slot] = -1;
		keep->told[slot] = true;
	}
}

void keep_watch(struct keep *keep, void (*waiting)(void *data), void *data) {
	keep->waiting = waiting;
	keep->data = data;
}

void keep_finish(struct keep *keep) {
	fd_close_many(keep->fds, LINK_FUNCTION_SLOTS);
	keep->link = -1;
}

static void set_told(struct keep *keep, unsigned slot, bool told) {
	if (keep->told[slot] != told) {
		keep->told[slot] = told;
		keep->untold += told ? -1u : 1;
		if (!told && keep->untold == 1 && keep->waiting != NULL) {
			keep->waiting(keep->data);
		}
	}
}

void keep_set_link(struct keep *keep, int link) {
	keep->link = link;
	for (unsigned slot = 0; slot < LINK_FUNCTION_SLOTS; slot++) {
		set_told(keep, slot, link < 0 || keep->fds[slot] < 0);
	}
}

static unsigned slot_of(struct link_key key) {
	return link_key_slot(&key) % LINK_FUNCTION_SLOTS;
}

int keep_get(const struct keep *keep, struct link_key key) {
	return keep->fds[slot_of(key)];
}

void keep_put(struct keep *keep, struct link_key key, int fd) {
	unsigned slot = slot_of(key);
	fd_close(keep->fds[slot]);
	keep->fds[slot] = fd;
	set_told(keep, slot, keep->link < 0);
}

void keep_restore(struct keep *keep, struct link_key key, int fd) {
	unsigned slot = slot_of(key);
	fd_close(keep->fds[slot]);
	keep->fds[slot] = fd;
	set_told(keep, slot, true);
}

void keep_clear(struct keep *keep, struct link_key key) {
	if (keep_get(keep, key) >= 0) {
		keep_put(keep, key, -1);
	}
}

static int tell(struct keep *keep, unsigned slot) {
	bool stored = keep->fds[slot] >= 0;
	const struct link_message message = {
		.type = stored ? LINK_STORE : LINK_DROP,
		.key = link_slot_key(keep->function * LINK_FUNCTION_SLOTS + slot),
	};
	int error;
	do {
		error = link_send(keep->link, &message, &keep->fds[slot], stored ? 1 : 0);
	} while (error == -EINTR);
	if (error < 0 && error != -EAGAIN) {
		keep_set_link(keep, -1);
		return 0;
	}
	if (error == 0) {
		set_told(keep, slot, true);
	}
	return error;
}

static int tell_all(struct keep *keep, bool stores) {
	int error = 0;
	for (unsigned slot = 0; slot < LINK_FUNCTION_SLOTS && keep->untold > 0 && error == 0;
		slot++) {
		if (!keep->told[slot] && (keep->fds[slot] >= 0) == stores) {
			error = tell(keep, slot);
		}
	}
	return error;
}

int keep_tell_stores(struct keep *keep) {
	return tell_all(keep, true);
}

int keep_tell_drops(struct keep *keep) {
	return tell_all(keep, false);
}
