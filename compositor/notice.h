#ifndef COMPOSITOR_NOTICE_H
#define COMPOSITOR_NOTICE_H

#include <stdbool.h>
#include <wayland-server-core.h>

struct output;
struct server;
struct wlr_scene_buffer;

/* One line of mullion's own, above everything on an output. A new one replaces the last. */
struct notice {
	struct server *server;
	struct wlr_scene_buffer *buffer; // goes with the scene
	struct wl_event_source *timer;   // owned
};

/* Once there is a scene. Returns false without memory. */
bool notice_init(struct notice *notice, struct server *server);

/* Before the loop and the scene go. Safe on a zeroed one. */
void notice_finish(struct notice *notice);

/* For so many ms; 0: in the middle of the output, and until another one comes. */
void notice_show(struct notice *notice, struct output *output, const char *string, int msec);

void notice_hide(struct notice *notice);

#endif
