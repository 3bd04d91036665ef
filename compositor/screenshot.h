#ifndef COMPOSITOR_SCREENSHOT_H
#define COMPOSITOR_SCREENSHOT_H

#include <stdint.h>

struct output;
struct server;
struct wlr_buffer;
struct wlr_buffer;

/* A sealed memfd of height rows of stride bytes, XRGB8888. */
struct screenshot {
	int fd; // -1 for none
	int width, height, stride;
};

/* Called once; takes the descriptor over. An fd of -1: it could not be taken. */
typedef void (*screenshot_func)(void *data, const struct screenshot *screenshot);

struct screenshot_request;

/*
 * The composited pixels of the first output, at its next frame; what is scanned out
 * directly is composed for it. Returns NULL where there is no output.
 */
struct screenshot_request *screenshot_session(
	struct server *server, screenshot_func done, void *data);

/* No call of done any more. */
void screenshot_cancel(struct screenshot_request *request);

/* The pixels of a client's buffer, now. Returns 0 or -errno; ret->fd is the caller's. */
int screenshot_buffer(struct server *server, struct wlr_buffer *buffer, struct screenshot *ret);

/* From the output: a frame has been committed, or the output goes. */
void screenshot_output_committed(struct output *output, struct wlr_buffer *buffer);
void screenshot_output_gone(struct output *output);

#endif
