#include "paint.h"

#include <drm_fourcc.h>
#include <pango/pangocairo.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/interfaces/wlr_buffer.h>

#include "wlr-compat.h"

#if defined(__SANITIZE_ADDRESS__)
/* fontconfig keeps its caches, and pango the thread that reads them, to the end. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
	return "leak:libfontconfig\nleak:libpangoft2\n";
}
#endif

struct paint_buffer {
	struct wlr_buffer base;
	cairo_surface_t *surface; // owned
};

static void buffer_destroy(struct wlr_buffer *base) {
	struct paint_buffer *buffer = wl_container_of(base, buffer, base);
	wlr_buffer_finish_compat(base);
	cairo_surface_destroy(buffer->surface);
	free(buffer);
}

static bool buffer_begin_data_ptr_access(
	struct wlr_buffer *base, uint32_t flags, void **data, uint32_t *format, size_t *stride) {
	struct paint_buffer *buffer = wl_container_of(base, buffer, base);
	if ((flags & WLR_BUFFER_DATA_PTR_ACCESS_WRITE) != 0) {
		return false;
	}
	cairo_surface_flush(buffer->surface);
	*data = cairo_image_surface_get_data(buffer->surface);
	*format = DRM_FORMAT_ARGB8888;
	*stride = cairo_image_surface_get_stride(buffer->surface);
	return true;
}

static void buffer_end_data_ptr_access(struct wlr_buffer *base) {
}

static const struct wlr_buffer_impl buffer_impl = {
	.destroy = buffer_destroy,
	.begin_data_ptr_access = buffer_begin_data_ptr_access,
	.end_data_ptr_access = buffer_end_data_ptr_access,
};

struct wlr_buffer *paint_buffer_create(int width, int height, cairo_t **ret_cairo) {
	struct paint_buffer *buffer = calloc(1, sizeof(*buffer));
	if (buffer == NULL) {
		return NULL;
	}
	buffer->surface = cairo_image_surface_create(CAIRO_FORMAT_ARGB32, width, height);
	if (cairo_surface_status(buffer->surface) != CAIRO_STATUS_SUCCESS) {
		cairo_surface_destroy(buffer->surface);
		free(buffer);
		return NULL;
	}
	wlr_buffer_init(&buffer->base, &buffer_impl, width, height);
	*ret_cairo = cairo_create(buffer->surface);
	return &buffer->base;
}

static PangoLayout *layout_create(cairo_t *cairo, const struct paint_text *text) {
	PangoLayout *layout = pango_cairo_create_layout(cairo);
	PangoFontDescription *font = pango_font_description_from_string(text->font);
	if (text->bold) {
		pango_font_description_set_weight(font, PANGO_WEIGHT_SEMIBOLD);
	}
	pango_layout_set_font_description(layout, font);
	pango_font_description_free(font);
	// A client's title may be any bytes.
	char *string = g_utf8_make_valid(text->string, strnlen(text->string, PAINT_TEXT_MAX));
	pango_layout_set_text(layout, string, -1);
	g_free(string);
	pango_layout_set_single_paragraph_mode(layout, text->lines <= 1);
	pango_layout_set_alignment(layout, text->centred ? PANGO_ALIGN_CENTER : PANGO_ALIGN_LEFT);
	pango_layout_set_wrap(layout, PANGO_WRAP_WORD_CHAR);
	pango_layout_set_ellipsize(layout, PANGO_ELLIPSIZE_END);
	pango_layout_set_width(layout, text->width > 0 ? text->width * PANGO_SCALE : -1);
	pango_layout_set_height(layout, text->lines > 1 ? -text->lines : -1);
	return layout;
}

void paint_text_size(
	cairo_t *cairo, const struct paint_text *text, int *ret_width, int *ret_height) {
	PangoLayout *layout = layout_create(cairo, text);
	pango_layout_get_pixel_size(layout, ret_width, ret_height);
	g_object_unref(layout);
}

void paint_text_show(cairo_t *cairo, const struct paint_text *text, double x, double y) {
	PangoLayout *layout = layout_create(cairo, text);
	cairo_move_to(cairo, x, y);
	pango_cairo_show_layout(cairo, layout);
	g_object_unref(layout);
}

int paint_line_height(const char *font) {
	cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_A8, 1, 1);
	cairo_t *cairo = cairo_create(surface);
	const struct paint_text text = {.font = font, .string = "Ag", .bold = true};
	int width, height;
	paint_text_size(cairo, &text, &width, &height);
	cairo_destroy(cairo);
	cairo_surface_destroy(surface);
	return height;
}

struct config_colour paint_mix(struct config_colour a, struct config_colour b, double part) {
	return (struct config_colour){
		.red = (uint8_t)(a.red + (b.red - a.red) * part),
		.green = (uint8_t)(a.green + (b.green - a.green) * part),
		.blue = (uint8_t)(a.blue + (b.blue - a.blue) * part),
	};
}

void paint_set_colour(cairo_t *cairo, struct config_colour colour, double alpha) {
	cairo_set_source_rgba(
		cairo, colour.red / 255.0, colour.green / 255.0, colour.blue / 255.0, alpha);
}

double paint_lightness(struct config_colour colour) {
	return (0.299 * colour.red + 0.587 * colour.green + 0.114 * colour.blue) / 255.0;
}
