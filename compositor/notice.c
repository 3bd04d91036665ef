#include "notice.h"

#include <wlr/types/wlr_scene.h>

#include "output.h"
#include "paint.h"
#include "server.h"

bool notice_init(struct notice *notice, struct server *server) {
	notice->server = server;
	notice->buffer = wlr_scene_buffer_create(server->layers[LAYER_OVERLAY], NULL);
	return notice->buffer != NULL;
}

static void stop_timer(struct notice *notice) {
	if (notice->timer != NULL) {
		wl_event_source_remove(notice->timer);
		notice->timer = NULL;
	}
}

void notice_finish(struct notice *notice) {
	stop_timer(notice);
	*notice = (struct notice){0};
}

void notice_hide(struct notice *notice) {
	stop_timer(notice);
	if (notice->buffer != NULL) {
		wlr_scene_buffer_set_buffer(notice->buffer, NULL);
	}
}

static int handle_timer(void *data) {
	notice_hide(data);
	return 0;
}

static struct wlr_box measure(const struct server *server, const struct paint_text *text) {
	int title = server->frame_style.title;
	struct wlr_box box = {0};
	cairo_surface_t *probe = cairo_image_surface_create(CAIRO_FORMAT_A8, 1, 1);
	cairo_t *cairo = cairo_create(probe);
	paint_text_size(cairo, text, &box.width, &box.height);
	cairo_destroy(cairo);
	cairo_surface_destroy(probe);
	box.width += 2 * title;
	box.height += 2 * title;
	return box;
}

/* In the output's pixels. */
static struct wlr_buffer *draw(const struct server *server, const struct paint_text *text,
	struct output *output, const struct wlr_box *box) {
	int title = server->frame_style.title;
	cairo_t *cairo;
	struct wlr_box pixels = output_pixels(output, box);
	struct wlr_buffer *buffer = paint_buffer_create(pixels.width, pixels.height, &cairo);
	if (buffer != NULL) {
		cairo_scale(cairo, (double)pixels.width / box->width,
			(double)pixels.height / box->height);
		cairo_set_source_rgba(cairo, 0.05, 0.05, 0.06, 0.9);
		cairo_paint(cairo);
		cairo_set_source_rgb(cairo, 0.9, 0.9, 0.9);
		paint_text_show(cairo, text, title, title);
		cairo_destroy(cairo);
	}
	return buffer;
}

void notice_show(struct notice *notice, struct output *output, const char *string, int msec) {
	const struct paint_text text = {
		.font = notice->server->config.host.font,
		.string = string,
		.centred = true,
	};
	struct wlr_box area;
	if (output == NULL || !output_box(output, &area)) {
		return;
	}
	struct wlr_box box = measure(notice->server, &text);
	int room = area.height - box.height;
	box.x = area.x + (area.width - box.width) / 2;
	box.y = area.y + (msec > 0 ? room / 8 : room / 2);
	struct wlr_buffer *buffer = draw(notice->server, &text, output, &box);
	if (buffer == NULL) {
		return;
	}
	wlr_scene_buffer_set_buffer(notice->buffer, buffer);
	wlr_scene_buffer_set_dest_size(notice->buffer, box.width, box.height);
	wlr_scene_node_set_position(&notice->buffer->node, box.x, box.y);
	wlr_scene_node_raise_to_top(&notice->buffer->node);
	wlr_buffer_drop(buffer);
	stop_timer(notice);
	if (msec > 0) {
		notice->timer =
			wl_event_loop_add_timer(notice->server->loop.wayland, handle_timer, notice);
	}
	if (notice->timer != NULL) {
		wl_event_source_timer_update(notice->timer, msec);
	}
}
