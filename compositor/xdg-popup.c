#include <stdlib.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/types/wlr_scene.h>
#include <wlr/types/wlr_xdg_shell.h>

#include "output.h"
#include "server.h"
#include "window.h"
#include "xdg.h"

/* A menu or the like, in the scene below its parent. */
struct xdg_popup {
	struct wlr_xdg_popup *wlr;
	struct wl_listener commit, reposition, destroy;
};

static struct window *window_of(struct wlr_scene_node *node) {
	while (node != NULL && (node->data == NULL || node->parent == NULL)) {
		node = node->parent != NULL ? &node->parent->node : NULL;
	}
	return node != NULL ? node->data : NULL;
}

/* Keeps it on the output of its window. */
static void unconstrain(struct xdg_popup *popup) {
	struct wlr_xdg_surface *parent = wlr_xdg_surface_try_from_wlr_surface(popup->wlr->parent);
	struct wlr_scene_tree *tree = parent != NULL ? parent->data : NULL;
	struct window *window = tree != NULL ? window_of(&tree->node) : NULL;
	struct output *output = window != NULL ? window_output(window) : NULL;
	struct wlr_box box;
	if (output == NULL || !output_box(output, &box)) {
		return;
	}
	box.x -= window->shown.x;
	box.y -= window->shown.y;
	wlr_xdg_popup_unconstrain_from_box(popup->wlr, &box);
}

static void handle_commit(struct wl_listener *listener, void *data) {
	struct xdg_popup *popup = wl_container_of(listener, popup, commit);
	if (popup->wlr->base->initial_commit) {
		unconstrain(popup);
		wlr_xdg_surface_schedule_configure(popup->wlr->base);
	}
}

static void handle_reposition(struct wl_listener *listener, void *data) {
	struct xdg_popup *popup = wl_container_of(listener, popup, reposition);
	unconstrain(popup);
}

static void handle_destroy(struct wl_listener *listener, void *data) {
	struct xdg_popup *popup = wl_container_of(listener, popup, destroy);
	wl_list_remove(&popup->commit.link);
	wl_list_remove(&popup->reposition.link);
	wl_list_remove(&popup->destroy.link);
	free(popup);
}

void xdg_popup_handle_new(struct wl_listener *listener, void *data) {
	struct wlr_xdg_popup *wlr = data;
	struct wlr_xdg_surface *parent = wlr_xdg_surface_try_from_wlr_surface(wlr->parent);
	struct wlr_scene_tree *tree = parent != NULL ? parent->data : NULL;
	struct xdg_popup *popup = tree != NULL ? calloc(1, sizeof(*popup)) : NULL;
	if (popup == NULL) {
		return;
	}
	popup->wlr = wlr;
	wlr->base->data = wlr_scene_xdg_surface_create(tree, wlr->base);
	popup->commit.notify = handle_commit;
	wl_signal_add(&wlr->base->surface->events.commit, &popup->commit);
	popup->reposition.notify = handle_reposition;
	wl_signal_add(&wlr->events.reposition, &popup->reposition);
	popup->destroy.notify = handle_destroy;
	wl_signal_add(&wlr->events.destroy, &popup->destroy);
}
