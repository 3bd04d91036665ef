#include "frame.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/util/edges.h>

#include "paint.h"
#include "pixels.h"

#define TITLE_PADDING 5   // above and below the text
#define CORNER 7.0        // radius of the upper corners
#define CLOSE_SIZE 0.62   // of the title's height
#define GRAB_MIN 5        // pixels in which a border can be grabbed, even a thinner one
#define GRAB_CORNER 20    // pixels from a corner that resize both ways
#define MESSAGE_MARGIN 24 // left and right of the message
#define MESSAGE_LINES 6
#define SHADE_UNFOCUSED 0.62

static const struct config_colour dark = {0x24, 0x26, 0x2a};
static const struct config_colour white = {0xff, 0xff, 0xff};
static const struct config_colour black = {0x00, 0x00, 0x00};
static const float ground_colour[4] = {0.067f, 0.071f, 0.082f, 1.0f};

int frame_title_height(const char *font) {
	return paint_line_height(font) + 2 * TITLE_PADDING;
}

bool frame_init(
	struct frame *frame, struct wlr_scene_tree *parent, const struct frame_style *style) {
	*frame = (struct frame){.style = style, .ground_wanted = true, .scale = 1};
	frame->tree = wlr_scene_tree_create(parent);
	if (frame->tree == NULL) {
		return false;
	}
	frame->left = wlr_scene_rect_create(frame->tree, 0, 0, ground_colour);
	frame->right = wlr_scene_rect_create(frame->tree, 0, 0, ground_colour);
	frame->below = wlr_scene_rect_create(frame->tree, 0, 0, ground_colour);
	frame->ground = wlr_scene_rect_create(frame->tree, 0, 0, ground_colour);
	frame->title = wlr_scene_buffer_create(frame->tree, NULL);
	frame->message = wlr_scene_buffer_create(frame->tree, NULL);
	return frame->left != NULL && frame->right != NULL && frame->below != NULL &&
		frame->ground != NULL && frame->title != NULL && frame->message != NULL;
}

void frame_finish(struct frame *frame) {
	free(frame->look.title);
	free(frame->look.note);
	free(frame->look.message);
	*frame = (struct frame){0};
}

/* The colour of border and title: the focused window's is the full one. */
static struct config_colour shade(const struct frame *frame) {
	return frame->look.focused ? frame->look.colour
				   : paint_mix(frame->look.colour, dark, SHADE_UNFOCUSED);
}

static struct config_colour ink(const struct frame *frame) {
	return paint_lightness(shade(frame)) > 0.6 ? black : white;
}

static void title_path(cairo_t *cairo, double width, double height) {
	cairo_new_path(cairo);
	cairo_arc(cairo, CORNER, CORNER, CORNER, M_PI, 1.5 * M_PI);
	cairo_arc(cairo, width - CORNER, CORNER, CORNER, 1.5 * M_PI, 2 * M_PI);
	cairo_line_to(cairo, width, height);
	cairo_line_to(cairo, 0, height);
	cairo_close_path(cairo);
}

static void draw_bar(cairo_t *cairo, const struct frame *frame, double width, double height) {
	struct config_colour colour = shade(frame);
	struct config_colour light = paint_mix(colour, white, frame->look.focused ? 0.16 : 0.07);
	cairo_pattern_t *gradient = cairo_pattern_create_linear(0, 0, 0, height);
	cairo_pattern_add_color_stop_rgb(
		gradient, 0, light.red / 255.0, light.green / 255.0, light.blue / 255.0);
	cairo_pattern_add_color_stop_rgb(
		gradient, 1, colour.red / 255.0, colour.green / 255.0, colour.blue / 255.0);
	title_path(cairo, width, height);
	cairo_set_source(cairo, gradient);
	cairo_fill(cairo);
	cairo_pattern_destroy(gradient);
}

/* The guest's number in a box of its own; returns where the title begins. */
static double draw_number(cairo_t *cairo, const struct frame *frame, double height) {
	double x = frame->style->border + 6;
	if (frame->look.number <= 0) {
		return x + 2;
	}
	char number[16];
	snprintf(number, sizeof(number), "%d", frame->look.number);
	struct paint_text text = {.font = frame->style->font, .string = number, .bold = true};
	int text_width, text_height;
	paint_text_size(cairo, &text, &text_width, &text_height);
	double box = height - 10;
	double box_width = fmax(box, text_width + 8);
	cairo_new_path(cairo);
	cairo_arc(cairo, x + 4, 9, 4, M_PI, 1.5 * M_PI);
	cairo_arc(cairo, x + box_width - 4, 9, 4, 1.5 * M_PI, 2 * M_PI);
	cairo_arc(cairo, x + box_width - 4, 5 + box - 4, 4, 0, 0.5 * M_PI);
	cairo_arc(cairo, x + 4, 5 + box - 4, 4, 0.5 * M_PI, M_PI);
	cairo_close_path(cairo);
	paint_set_colour(cairo, ink(frame), 0.18);
	cairo_fill(cairo);
	paint_set_colour(cairo, ink(frame), frame->look.focused ? 1.0 : 0.75);
	paint_text_show(cairo, &text, x + floor((box_width - text_width) / 2),
		floor((height - text_height) / 2));
	return x + box_width + 8;
}

/* Centre and radius of the close button. */
static void close_place(
	const struct frame *frame, double width, double *ret_x, double *ret_y, double *ret_radius) {
	*ret_radius = floor(frame->style->title * CLOSE_SIZE / 2);
	*ret_x = width - frame->style->border - 7 - *ret_radius;
	*ret_y = frame->style->title / 2.0;
}

static void draw_close(cairo_t *cairo, const struct frame *frame, double width) {
	double x, y, radius;
	close_place(frame, width, &x, &y, &radius);
	if (frame->look.close_hot) {
		cairo_new_path(cairo);
		cairo_arc(cairo, x, y, radius + 1.5, 0, 2 * M_PI);
		cairo_set_source_rgb(cairo, 0.80, 0.16, 0.16);
		cairo_fill(cairo);
	}
	double arm = radius * 0.48;
	cairo_set_line_width(cairo, 1.8);
	cairo_set_line_cap(cairo, CAIRO_LINE_CAP_ROUND);
	paint_set_colour(cairo, frame->look.close_hot ? white : ink(frame),
		frame->look.focused || frame->look.close_hot ? 0.95 : 0.65);
	cairo_move_to(cairo, x - arm, y - arm);
	cairo_line_to(cairo, x + arm, y + arm);
	cairo_move_to(cairo, x + arm, y - arm);
	cairo_line_to(cairo, x - arm, y + arm);
	cairo_stroke(cairo);
}

static void draw_title_text(
	cairo_t *cairo, const struct frame *frame, double from, double to, double height) {
	double room = to - from;
	if (room < 16 || frame->look.title == NULL) {
		return;
	}
	struct paint_text title = {
		.font = frame->style->font,
		.string = frame->look.title,
		.bold = true,
		.width = (int)room,
	};
	int width, text_height;
	paint_text_size(cairo, &title, &width, &text_height);
	double y = floor((height - text_height) / 2);
	paint_set_colour(cairo, ink(frame), frame->look.focused ? 1.0 : 0.75);
	paint_text_show(cairo, &title, from, y);
	if (frame->look.note == NULL || room - width < 40) {
		return;
	}
	struct paint_text note = {
		.font = frame->style->font,
		.string = frame->look.note,
		.width = (int)room - width - 10,
	};
	paint_set_colour(cairo, ink(frame), frame->look.focused ? 0.75 : 0.55);
	paint_text_show(cairo, &note, from + width + 10, y);
}

/* A buffer for what covers that much from a point of the picture: its pixels are the output's. */
static struct wlr_buffer *create_buffer(
	const struct frame *frame, const struct wlr_box *box, cairo_t **ret_cairo) {
	int width = pixels_covered(frame->x + box->x, box->width, frame->scale);
	int height = pixels_covered(frame->y + box->y, box->height, frame->scale);
	struct wlr_buffer *buffer = paint_buffer_create(width, height, ret_cairo);
	if (buffer != NULL) {
		cairo_scale(*ret_cairo, (double)width / box->width, (double)height / box->height);
	}
	return buffer;
}

static void show_buffer(
	struct wlr_scene_buffer *node, struct wlr_buffer *buffer, const struct wlr_box *box) {
	wlr_scene_buffer_set_buffer(node, buffer);
	wlr_scene_buffer_set_dest_size(node, box->width, box->height);
	wlr_scene_node_set_position(&node->node, box->x, box->y);
	wlr_buffer_drop(buffer);
}

static struct wlr_box title_box(const struct frame *frame) {
	const struct frame_style *style = frame->style;
	return (struct wlr_box){
		.x = -style->border,
		.y = -style->title,
		.width = frame->width + 2 * style->border,
		.height = style->title,
	};
}

static void draw_title(struct frame *frame) {
	const struct wlr_box box = title_box(frame);
	int width = box.width, height = box.height;
	cairo_t *cairo;
	struct wlr_buffer *buffer = create_buffer(frame, &box, &cairo);
	if (buffer == NULL) {
		return;
	}
	draw_bar(cairo, frame, width, height);
	double from = draw_number(cairo, frame, height);
	double x, y, radius;
	close_place(frame, width, &x, &y, &radius);
	draw_title_text(cairo, frame, from, x - radius - 8, height);
	draw_close(cairo, frame, width);
	cairo_destroy(cairo);
	frame->drawn_width = buffer->width;
	frame->drawn_height = buffer->height;
	show_buffer(frame->title, buffer, &box);
}

static void draw_edges(struct frame *frame) {
	struct config_colour colour = shade(frame);
	const float rgba[4] = {
		colour.red / 255.0f, colour.green / 255.0f, colour.blue / 255.0f, 1.0f};
	wlr_scene_rect_set_color(frame->left, rgba);
	wlr_scene_rect_set_color(frame->right, rgba);
	wlr_scene_rect_set_color(frame->below, rgba);
}

static void draw_message(struct frame *frame) {
	bool shown = frame->look.message != NULL && frame->ground_wanted &&
		frame->width > 4 * MESSAGE_MARGIN;
	wlr_scene_node_set_enabled(&frame->message->node, shown);
	if (!shown) {
		wlr_scene_buffer_set_buffer(frame->message, NULL);
		return;
	}
	struct paint_text text = {
		.font = frame->style->font,
		.string = frame->look.message,
		.centred = true,
		.width = frame->width - 2 * MESSAGE_MARGIN,
		.lines = MESSAGE_LINES,
	};
	int height = frame->style->title * MESSAGE_LINES;
	const struct wlr_box box = {
		.x = MESSAGE_MARGIN,
		.y = (frame->height - height) / 2,
		.width = text.width,
		.height = height,
	};
	cairo_t *cairo;
	struct wlr_buffer *buffer = create_buffer(frame, &box, &cairo);
	if (buffer == NULL) {
		return;
	}
	int text_width, text_height;
	paint_text_size(cairo, &text, &text_width, &text_height);
	cairo_set_source_rgb(cairo, 0.72, 0.74, 0.77);
	paint_text_show(cairo, &text, 0, floor((height - text_height) / 2.0));
	cairo_destroy(cairo);
	show_buffer(frame->message, buffer, &box);
}

static void redraw(struct frame *frame) {
	frame->outdated = frame->bare;
	if (frame->width > 0 && !frame->bare) {
		draw_title(frame);
		draw_edges(frame);
	}
}

/* Where a scale is no whole number, the same title may cover a pixel more in another place. */
static void update_title(struct frame *frame) {
	const struct wlr_box box = title_box(frame);
	if (frame->bare) {
		return;
	}
	if (frame->outdated ||
		frame->drawn_width != pixels_covered(frame->x + box.x, box.width, frame->scale) ||
		frame->drawn_height != pixels_covered(frame->y + box.y, box.height, frame->scale)) {
		redraw(frame);
	}
}

static void arrange(struct frame *frame) {
	int border = frame->style->border, width = frame->width, height = frame->height;
	wlr_scene_rect_set_size(frame->left, border, height);
	wlr_scene_node_set_position(&frame->left->node, -border, 0);
	wlr_scene_rect_set_size(frame->right, border, height);
	wlr_scene_node_set_position(&frame->right->node, width, 0);
	wlr_scene_rect_set_size(frame->below, width + 2 * border, border);
	wlr_scene_node_set_position(&frame->below->node, -border, height);
	wlr_scene_rect_set_size(frame->ground, width, height);
}

void frame_set_box(struct frame *frame, const struct wlr_box *box, float scale) {
	bool sized = frame->width != box->width || frame->height != box->height;
	bool scaled = frame->scale != scale;
	frame->width = box->width;
	frame->height = box->height;
	frame->x = box->x;
	frame->y = box->y;
	frame->scale = scale;
	if (sized) {
		arrange(frame);
	}
	update_title(frame);
	if (sized || scaled) {
		draw_message(frame);
	}
}

void frame_set_bare(struct frame *frame, bool bare) {
	struct wlr_scene_node *nodes[] = {
		&frame->left->node, &frame->right->node, &frame->below->node, &frame->title->node};
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		wlr_scene_node_set_enabled(nodes[i], !bare);
	}
	frame->bare = bare;
	update_title(frame);
}

void frame_set_ground(struct frame *frame, bool shown) {
	if (frame->ground_wanted != shown) {
		frame->ground_wanted = shown;
		wlr_scene_node_set_enabled(&frame->ground->node, shown);
		draw_message(frame);
	}
}

static bool replace(char **string, const char *with) {
	if (*string == with || (*string != NULL && with != NULL && strcmp(*string, with) == 0)) {
		return false;
	}
	free(*string);
	*string = with != NULL ? strndup(with, PAINT_TEXT_MAX) : NULL;
	return true;
}

void frame_set_title(struct frame *frame, const char *title, const char *note) {
	bool changed = replace(&frame->look.title, title);
	if (replace(&frame->look.note, note) || changed) {
		redraw(frame);
	}
}

void frame_set_message(struct frame *frame, const char *message) {
	if (replace(&frame->look.message, message)) {
		draw_message(frame);
	}
}

void frame_set_colour(struct frame *frame, struct config_colour colour, int number) {
	if (memcmp(&frame->look.colour, &colour, sizeof(colour)) != 0 ||
		frame->look.number != number) {
		frame->look.colour = colour;
		frame->look.number = number;
		redraw(frame);
	}
}

void frame_set_focused(struct frame *frame, bool focused) {
	if (frame->look.focused != focused) {
		frame->look.focused = focused;
		redraw(frame);
	}
}

void frame_set_close_hot(struct frame *frame, bool hot) {
	if (frame->look.close_hot != hot) {
		frame->look.close_hot = hot;
		redraw(frame);
	}
}

static bool on_close(const struct frame *frame, double x, double y) {
	double close_x, close_y, radius;
	int border = frame->style->border;
	close_place(frame, frame->width + 2 * border, &close_x, &close_y, &radius);
	double dx = x + border - close_x, dy = y + frame->style->title - close_y;
	return dx * dx + dy * dy <= (radius + 2) * (radius + 2);
}

/* The edges that a point outside the picture, or at the title's rim, takes hold of. */
static uint32_t edges_at(const struct frame *frame, double x, double y) {
	int top = -frame->style->title;
	uint32_t edges = WLR_EDGE_NONE;
	if (x >= 0 && x < frame->width && y < frame->height && y >= top + GRAB_MIN) {
		return edges;
	}
	edges |= x < GRAB_CORNER ? WLR_EDGE_LEFT : 0;
	edges |= x >= frame->width - GRAB_CORNER ? WLR_EDGE_RIGHT : 0;
	edges |= y >= frame->height - GRAB_CORNER ? WLR_EDGE_BOTTOM : 0;
	edges |= y < top + GRAB_CORNER ? WLR_EDGE_TOP : 0;
	return edges;
}

enum frame_part frame_part_at(const struct frame *frame, double x, double y, uint32_t *ret_edges) {
	int reach = frame->style->border > GRAB_MIN ? frame->style->border : GRAB_MIN;
	int top = -frame->style->title;
	if (x >= 0 && y >= 0 && x < frame->width && y < frame->height) {
		return FRAME_CONTENT;
	}
	if (x < -reach || y < top || x >= frame->width + reach || y >= frame->height + reach) {
		return FRAME_NONE;
	}
	if (on_close(frame, x, y)) {
		return FRAME_CLOSE;
	}
	uint32_t edges = edges_at(frame, x, y);
	if (edges == WLR_EDGE_NONE) {
		return FRAME_TITLE;
	}
	if (ret_edges != NULL) {
		*ret_edges = edges;
	}
	return FRAME_BORDER;
}
