#include "guests.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "fd.h"
#include "sandbox-cgroup.h"

/* A hostile device can change something all the time: it is told no more often. */
#define NOTIFY_INTERVAL_US (10 * USEC_PER_MSEC)

static int handle_notify(sd_event_source *source, uint64_t usec, void *data) {
	struct guests *guests = data;
	guests->notified = clock_usec();
	guests->changed(guests->data);
	return 0;
}

static void handle_changed(void *data) {
	struct guests *guests = data;
	sd_event_source_set_time(guests->notify, guests->notified + NOTIFY_INTERVAL_US);
	sd_event_source_set_enabled(guests->notify, SD_EVENT_ONESHOT);
}

static const struct guest_ops guest_ops = {.changed = handle_changed};

static int make_guests(struct guests *guests) {
	guests->list = calloc(guests->config.guests_len, sizeof(guests->list[0]));
	if (guests->list == NULL && guests->config.guests_len > 0) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < guests->config.guests_len; i++) {
		guests->list[i] =
			guest_create(guests->event, &guests->config.host, &guests->config.guests[i],
				&guests->vram, &guests->store, &guest_ops, guests);
		if (guests->list[i] == NULL) {
			return -ENOMEM;
		}
		guests->list[i]->cgroups = guests->cgroups;
		guests->len++;
	}
	return 0;
}

int guests_init(struct guests *guests, sd_event *event, struct config *config,
	void (*changed)(void *data), void *data) {
	*guests = (struct guests){
		.event = sd_event_ref(event),
		.config = *config,
		.cgroups = sandbox_cgroup_root("/sys/fs/cgroup", NULL),
		.changed = changed,
		.data = data,
	};
	*config = (struct config){0};
	vram_init(&guests->vram, guests->config.host.vram);
	int error = sd_event_add_time(
		event, &guests->notify, CLOCK_MONOTONIC, 0, 1, handle_notify, guests);
	if (error >= 0) {
		error = sd_event_source_set_enabled(guests->notify, SD_EVENT_OFF);
	}
	if (error >= 0) {
		error = fd_store_init(&guests->store, event);
	}
	if (error >= 0) {
		error = make_guests(guests);
	}
	if (error < 0) {
		guests_finish(guests);
	}
	return error < 0 ? error : 0;
}

void guests_finish(struct guests *guests) {
	for (size_t i = 0; i < guests->len; i++) {
		guest_destroy(guests->list[i]);
	}
	free(guests->list);
	for (size_t i = 0; i < guests->orphans_len; i++) {
		config_finish(&guests->orphans[i]);
	}
	free(guests->orphans);
	if (guests->event != NULL) {
		fd_store_finish(&guests->store);
		fd_close(guests->cgroups);
	}
	sd_event_source_disable_unref(guests->notify);
	vram_finish(&guests->vram);
	config_finish(&guests->config);
	sd_event_unref(guests->event);
	*guests = (struct guests){0};
}

struct guest *guests_find(const struct guests *guests, const char *name) {
	for (size_t i = 0; i < guests->len; i++) {
		if (strcmp(guests->list[i]->config->name, name) == 0) {
			return guests->list[i];
		}
	}
	return NULL;
}

/* A configuration with this guest alone. */
static int make_orphan(struct config *config, const char *name, const struct guest_record *record,
	uint32_t number) {
	struct config_guest *guest = calloc(1, sizeof(*guest));
	if (guest == NULL) {
		return -ENOMEM;
	}
	*config = (struct config){.guests = guest, .guests_len = 1};
	*guest = (struct config_guest){
		.name = strdup(name),
		.title = strdup(record->title),
		.socket = strdup(record->sockets[LINK_FUNCTION_GPU]),
		.number = number,
		.colour = record->colour,
		.stop_timeout = record->stop_timeout,
		.vram = record->limit,
		.aperture = record->aperture,
		.vmm = record->vmm,
		.sandbox = record->sandbox,
	};
	if (asprintf(&guest->file, "guests/%s.ini", name) < 0) {
		guest->file = NULL;
	}
	return guest->name != NULL && guest->title != NULL && guest->socket != NULL &&
			guest->file != NULL
		? 0
		: -ENOMEM;
}

struct guest *guests_add_orphan(
	struct guests *guests, const char *name, const struct guest_record *record) {
	if (guests->orphans == NULL) {
		// Never moved: guests borrow from it.
		guests->orphans = calloc(CONFIG_GUESTS_MAX, sizeof(guests->orphans[0]));
	}
	struct guest **list = reallocarray(guests->list, guests->len + 1, sizeof(guests->list[0]));
	if (list != NULL) {
		guests->list = list;
	}
	if (guests->orphans == NULL || list == NULL || guests->orphans_len == CONFIG_GUESTS_MAX) {
		return NULL;
	}
	struct config *config = &guests->orphans[guests->orphans_len++];
	if (make_orphan(config, name, record, (uint32_t)guests->len + 1) < 0) {
		return NULL;
	}
	struct guest *guest = guest_create(guests->event, &guests->config.host, config->guests,
		&guests->vram, &guests->store, &guest_ops, guests);
	if (guest != NULL) {
		guest->orphan = true;
		guest->cgroups = guests->cgroups;
		guests->list[guests->len++] = guest;
	}
	return guest;
}

void guests_autostart(struct guests *guests) {
	for (size_t i = 0; i < guests->len; i++) {
		if (guests->list[i]->config->autostart) {
			guest_start(guests->list[i]);
		}
	}
}

void guests_stop_all(struct guests *guests) {
	guests->closing = true;
	for (size_t i = 0; i < guests->len; i++) {
		guest_stop(guests->list[i]);
	}
	handle_changed(guests);
}

void guests_kill_all(struct guests *guests) {
	guests->closing = true;
	for (size_t i = 0; i < guests->len; i++) {
		guest_kill(guests->list[i]);
	}
	handle_changed(guests);
}

bool guests_are_off(const struct guests *guests) {
	for (size_t i = 0; i < guests->len; i++) {
		if (!guest_is_off(guests->list[i])) {
			return false;
		}
	}
	return true;
}
