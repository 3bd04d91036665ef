#include "head.h"

#include "clock.h"

#define ARMED_FAR UINT64_C(100000) // us

static uint64_t min_u64(uint64_t a, uint64_t b) {
	return a < b ? a : b;
}

static bool is_told(const struct scanout *scanout) {
	return scanout->flushed || scanout->format == SCANOUT_NONE;
}

static void get_scanout(const struct head *head, struct scanout *ret) {
	*ret = (struct scanout){0};
	head->setup->ops->get_scanout(head->setup->data, head->number, ret);
}

/* What is known about the last picture holds no longer. Told changes mostly follow soon, to
 * be shown together with this one. */
static void start_anew(struct head *head, const struct scanout *scanout, uint64_t not_before) {
	head->told = is_told(scanout);
	if (head->told) {
		flushes_change_all(&head->flushes, not_before);
	} else {
		flushes_dropped(&head->flushes);
		publish_invalidate(&head->publish);
	}
}

static bool able(const struct head *head) {
	return head->wayland != NULL && head->configured && !head->starved &&
		!wayland_blocked(head->wayland);
}

/* When to make a picture. */
static uint64_t next_picture(const struct head *head) {
	if (!able(head)) {
		return PACE_NEVER;
	}
	return head->told ? flushes_commit_at(&head->flushes, &head->pace) : pace_next(&head->pace);
}

static uint64_t next_answer(const struct head *head) {
	return flushes_answer_at(&head->flushes, &head->pace, able(head));
}

/* A look is exact where frames follow each other; one that has backed off leaves the kernel
 * room to join wake-ups. */
static void arm(struct head *head, uint64_t next, uint64_t now) {
	uint64_t far = next - now;
	head->armed = next;
	if (next == PACE_NEVER) {
		sd_event_source_set_enabled(head->timer, SD_EVENT_OFF);
		return;
	}
	sd_event_source_set_time_accuracy(head->timer, far > PACE_IDLE / 4 ? far / 4 : 1);
	sd_event_source_set_time(head->timer, next);
	sd_event_source_set_enabled(head->timer, SD_EVENT_ONESHOT);
}

/*
 * A timer that is armed too early stays so where that is far from now: mostly it is for the
 * answer that a compositor owes, which is put off with every frame. When it comes it finds
 * nothing to do and is armed again.
 */
void head_schedule(struct head *head) {
	uint64_t next = min_u64(next_picture(head), next_answer(head));
	next = min_u64(next, resize_due(&head->resize));
	if (next == PACE_NEVER && head->armed == PACE_NEVER) {
		return;
	}
	uint64_t now = clock_usec();
	if (next <= now) {
		sd_event_source_set_enabled(head->at_once, SD_EVENT_ONESHOT);
	} else if (next != head->armed && (next < head->armed || head->armed < now + ARMED_FAR)) {
		arm(head, next, now);
	}
}

/* What is told is committed when it comes, whatever the output does: that it refreshes is
 * only of interest to who flushes nothing. */
static void ask_presented(struct head *head) {
	uint64_t now = clock_usec(), aim = pace_committed(&head->pace, now);
	if (!head->told) {
		desktop_ask_presented(&head->desktop, aim);
	} else if (pace_uncertain(&head->pace, now)) {
		desktop_ask_presented(&head->desktop, 0);
	}
}

static void commit(struct head *head, const struct publish_picture *picture) {
	ask_presented(head);
	desktop_commit(
		&head->desktop, picture->buffer, picture->width, picture->height, &picture->boxes);
	bool lit = head->publish.scanout.format != SCANOUT_NONE;
	bool sized = picture->width != head->width || picture->height != head->height ||
		lit != head->lit;
	head->width = picture->width;
	head->height = picture->height;
	head->lit = lit;
	if (sized) {
		head->ops->sized(head->data);
	}
	head->setup->ops->committed(head->setup->data);
}

static enum publish_result look(struct head *head, const struct scanout *scanout,
	const uint32_t *palette, struct publish_picture *ret) {
	enum publish_result result = publish_look(&head->publish, scanout, palette, ret);
	if (result != PUBLISH_BUSY) {
		head->setup->ops->looked(head->setup->data);
		pace_looked(&head->pace, clock_usec(), result == PUBLISH_CHANGED);
	}
	return result;
}

static enum publish_result take_told(struct head *head, const struct scanout *scanout,
	const uint32_t *palette, struct publish_picture *ret) {
	struct flushes *flushes = &head->flushes;
	enum publish_result result =
		publish_told(&head->publish, scanout, palette, &flushes->boxes, flushes->all, ret);
	if (result == PUBLISH_CHANGED) {
		flushes_committed(flushes, clock_usec());
	} else if (result == PUBLISH_SAME) {
		flushes_dropped(flushes);
	}
	return result;
}

static void show(struct head *head) {
	struct scanout scanout;
	uint32_t palette[256] = {0};
	get_scanout(head, &scanout);
	if (is_told(&scanout) != head->told) {
		start_anew(head, &scanout, 0);
	}
	if (scanout.format == SCANOUT_C8) {
		head->setup->ops->get_palette(head->setup->data, palette);
	}
	struct publish_picture picture;
	enum publish_result result = head->told ? take_told(head, &scanout, palette, &picture)
						: look(head, &scanout, palette, &picture);
	head->starved = result == PUBLISH_BUSY;
	if (result == PUBLISH_CHANGED) {
		commit(head, &picture);
	}
}

static void answer(struct head *head) {
	head->setup->ops->frame(head->setup->data, head->number);
}

static void tell_size(struct head *head) {
	struct resize_size size = resize_take(&head->resize);
	if (head->setup->ops->resized != NULL) {
		head->setup->ops->resized(head->setup->data, head->number, size.width, size.height,
			size.refresh, size.scale);
	}
}

static void work(struct head *head) {
	uint64_t now = clock_usec();
	if (resize_due(&head->resize) <= now) {
		tell_size(head);
	}
	if (next_answer(head) <= now && flushes_give_up(&head->flushes)) {
		answer(head);
	}
	if (next_picture(head) <= now) {
		show(head);
		head->ops->sent(head->data);
	}
	head_schedule(head);
}

static int handle_at_once(sd_event_source *source, void *data) {
	work(data);
	return 0;
}

static int handle_timer(sd_event_source *source, uint64_t usec, void *data) {
	struct head *head = data;
	head->armed = PACE_NEVER;
	work(head);
	return 0;
}

static void handle_configured(void *data) {
	struct head *head = data;
	head->configured = true;
}

static void handle_visible(void *data, bool visible) {
	struct head *head = data;
	if (visible != pace_hidden(&head->pace)) {
		return;
	}
	pace_visible(&head->pace, visible);
	if (!visible) {
		return;
	}
	if (head->told) {
		flushes_change_all(&head->flushes, 0);
	}
	if (flushes_give_up(&head->flushes)) {
		answer(head);
	}
}

static void handle_fullscreen(void *data, bool fullscreen) {
	struct head *head = data;
	resize_set_fullscreen(&head->resize, fullscreen, clock_usec());
}

static void handle_resized(void *data, const struct resize_size *size) {
	struct head *head = data;
	resize_set(&head->resize, size, clock_usec());
}

static void handle_frame(void *data) {
	struct head *head = data;
	pace_frame(&head->pace);
	if (flushes_frame(&head->flushes, clock_usec())) {
		answer(head);
	}
}

static void handle_presented(void *data, uint64_t when, uint32_t refresh, uint64_t aim) {
	struct head *head = data;
	// A clock that runs ahead would put off all looks.
	if (when <= clock_usec() + PACE_IDLE) {
		pace_presented(&head->pace, when, refresh, aim);
	}
}

static void handle_closed(void *data) {
	struct head *head = data;
	head->closed = true;
}

static const struct desktop_ops desktop_ops = {
	.configured = handle_configured,
	.visible = handle_visible,
	.fullscreen = handle_fullscreen,
	.resized = handle_resized,
	.frame = handle_frame,
	.presented = handle_presented,
	.closed = handle_closed,
};

static void handle_released(void *data) {
	struct head *head = data;
	head->starved = false;
}

int head_init(struct head *head, unsigned number, const struct bridge_setup *setup,
	const struct head_ops *ops, void *data) {
	*head = (struct head){
		.number = number,
		.setup = setup,
		.ops = ops,
		.data = data,
		.armed = PACE_NEVER,
		.told = true,
	};
	flushes_init(&head->flushes, setup->hidden_usec);
	resize_init(&head->resize);
	pace_init(&head->pace, setup->hidden_usec);
	int error = sd_event_add_time(
		setup->event, &head->timer, CLOCK_MONOTONIC, 0, 1, handle_timer, head);
	if (error >= 0) {
		error = sd_event_source_set_enabled(head->timer, SD_EVENT_OFF);
	}
	if (error >= 0) {
		error = sd_event_add_defer(setup->event, &head->at_once, handle_at_once, head);
	}
	return error < 0 ? error : sd_event_source_set_enabled(head->at_once, SD_EVENT_OFF);
}

void head_finish(struct head *head) {
	head->at_once = sd_event_source_disable_unref(head->at_once);
	head->timer = sd_event_source_disable_unref(head->timer);
}

int head_connect(struct head *head, struct wayland *wayland, struct publish_pool *pool) {
	const struct desktop_setup setup = {
		.wayland = wayland,
		.head = head->number,
		.heads = head->setup->heads,
		.resizable = head->setup->follow,
		.ops = &desktop_ops,
		.data = head,
	};
	struct scanout scanout;
	get_scanout(head, &scanout);
	head->wayland = wayland;
	pace_init(&head->pace, head->setup->hidden_usec);
	publish_init(&head->publish, pool, handle_released, head);
	start_anew(head, &scanout, 0);
	return desktop_init(&head->desktop, &setup);
}

void head_disconnect(struct head *head) {
	publish_finish(&head->publish);
	desktop_finish(&head->desktop);
	pace_init(&head->pace, head->setup->hidden_usec);
	head->wayland = NULL;
	head->configured = false;
	head->starved = false;
	head->width = 0;
	head->height = 0;
	head->lit = false;
	head_schedule(head);
}

void head_scanout_changed(struct head *head) {
	struct scanout scanout;
	uint64_t now = clock_usec();
	get_scanout(head, &scanout);
	start_anew(head, &scanout, pace_refresh_after(&head->pace, now));
	pace_hint(&head->pace, now);
	head_schedule(head);
}

void head_keep(struct head *head) {
	struct scanout scanout;
	get_scanout(head, &scanout);
	if (head->wayland != NULL && scanout.flushed) {
		publish_keep(&head->publish, &scanout);
	}
}

void head_drawn(struct head *head) {
	struct scanout scanout;
	if (head->told) {
		get_scanout(head, &scanout);
		if (!is_told(&scanout)) {
			start_anew(head, &scanout, 0);
		}
	}
	pace_hint(&head->pace, clock_usec());
	head_schedule(head);
}

/* A flip to a picture like the last one needs no commit, unless it is in the guest's own memory:
 * there it draws in the other one long before it shows that. False where it needs one. */
static bool pass_over(struct head *head) {
	struct scanout scanout;
	get_scanout(head, &scanout);
	if (scanout.blob.serial != 0 || head->flushes.changed) {
		return false;
	}
	publish_pass_over(&head->publish, &scanout);
	return true;
}

void head_flipped(struct head *head, const struct damage_boxes *boxes) {
	if (!head->told) {
		head_drawn(head);
		return;
	}
	if (boxes->len > 0 || !pass_over(head)) {
		flushes_flip(&head->flushes, boxes, pace_refresh_after(&head->pace, clock_usec()));
	}
	head_schedule(head);
}

void head_flushed(struct head *head, const struct damage_boxes *boxes) {
	static const struct damage_boxes none;
	struct scanout scanout;
	if (head->told && boxes->len == 0) {
		get_scanout(head, &scanout);
		if (publish_flips(&head->publish, &scanout) && !pass_over(head)) {
			flushes_flip(&head->flushes, &none, 0);
		}
	}
	flushes_add(&head->flushes, head->told ? boxes : &none, clock_usec());
	if (head->told) {
		head_schedule(head);
	} else {
		head_drawn(head);
	}
}

void head_wake(struct head *head) {
	pace_wake(&head->pace);
}

bool head_owns(const struct head *head, const struct wl_surface *surface) {
	return surface != NULL && head->desktop.surface == surface;
}
