#include "pointer-target.h"

#include "guest-window.h"
#include "server.h"
#include "window.h"

struct pointer_target pointer_target_at(struct server *server, double lx, double ly) {
	struct pointer_target target = {.scale_x = 1, .scale_y = 1};
	struct wlr_scene_node *node = NULL;
	target.window =
		window_at(server, lx, ly, &target.part, &target.edges, &node, &target.x, &target.y);
	if (target.window == NULL || target.part != FRAME_CONTENT) {
		return target;
	}
	if (target.window->head != NULL) {
		target.surface = guest_window_point(target.window, lx, ly, &target.x, &target.y,
			&target.scale_x, &target.scale_y);
	} else if (node != NULL && node->type == WLR_SCENE_NODE_BUFFER) {
		struct wlr_scene_surface *surface =
			wlr_scene_surface_try_from_buffer(wlr_scene_buffer_from_node(node));
		target.surface = surface != NULL ? surface->surface : NULL;
	}
	return target;
}
