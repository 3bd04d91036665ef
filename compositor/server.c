#include "server.h"

#include <drm_fourcc.h>
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <wlr/backend.h>
#include <wlr/backend/multi.h>
#include <wlr/backend/session.h>
#include <wlr/backend/wayland.h>
#include <wlr/config.h>
#include <wlr/render/allocator.h>
#include <wlr/render/drm_format_set.h>
#include <wlr/render/pixman.h>
#include <wlr/render/wlr_renderer.h>
#include <wlr/types/wlr_compositor.h>
#include <wlr/types/wlr_data_device.h>
#include <wlr/types/wlr_fractional_scale_v1.h>
#include <wlr/types/wlr_linux_dmabuf_v1.h>
#include <wlr/types/wlr_output_layout.h>
#include <wlr/types/wlr_primary_selection_v1.h>
#include <wlr/types/wlr_screencopy_v1.h>
#include <wlr/types/wlr_single_pixel_buffer_v1.h>
#include <wlr/types/wlr_subcompositor.h>
#include <wlr/types/wlr_viewporter.h>
#include <wlr/types/wlr_xdg_output_v1.h>
#if WLR_HAS_X11_BACKEND
#include <wlr/backend/x11.h>
#endif

#include "desktop-varlink.h"
#include "guest-client.h"
#include "guest-desktop.h"
#include "guest-window.h"
#include "guest.h"
#include "host-link.h"
#include "log.h"
#include "output.h"
#include "paint.h"
#include "seat.h"
#include "session-keep.h"
#include "software-renderer.h"
#include "window.h"
#include "wlr-compat.h"
#include "xdg.h"

#define CLIENT_BUFFER_MAX (64 * 1024) // bytes
#define COMPOSITOR_VERSION 6
#define FRACTIONAL_SCALE_VERSION 1
#define DMABUF_VERSION 4

static int handle_signal(int number, void *data) {
	struct server *server = data;
	server_leave(server);
	return 0;
}

static void handle_backend_destroy(struct wl_listener *listener, void *data) {
	struct server *server = wl_container_of(listener, server, backend_destroy);
	log_error("the display of the session has gone");
	server->backend = NULL;
	server->failed = true;
	wl_list_remove(&server->backend_destroy.link);
	wl_list_init(&server->backend_destroy.link);
	wl_list_remove(&server->new_output.link);
	wl_list_init(&server->new_output.link);
	loop_stop(&server->loop);
}

static bool init_loop(struct server *server) {
	server->display = wl_display_create();
	if (server->display == NULL) {
		log_error("no Wayland display: %s", strerror(errno));
		return false;
	}
	// A message that does not fit into the buffer is never complete, and its client keeps
	// the loop spinning: any length that a header can name must fit.
	wl_display_set_default_max_buffer_size(server->display, CLIENT_BUFFER_MAX);
	int error = loop_init(&server->loop, server->display);
	error = error < 0 ? error : processes_init(&server->processes, server->loop.wayland);
	if (error < 0) {
		log_error("no event loop: %s", strerror(-error));
		return false;
	}
	signal(SIGPIPE, SIG_IGN);
	server->signals[0] =
		wl_event_loop_add_signal(server->loop.wayland, SIGINT, handle_signal, server);
	server->signals[1] =
		wl_event_loop_add_signal(server->loop.wayland, SIGTERM, handle_signal, server);
	return true;
}

static bool init_backend(struct server *server) {
	server->backend = wlr_backend_autocreate(server->loop.wayland, &server->session);
	if (server->backend == NULL) {
		log_error(
			"no screen can be used: from a terminal of a desktop, WAYLAND_DISPLAY or DISPLAY "
			"must be set; on a virtual terminal, seatd or logind must run and this user "
			"own the seat (MULLION_LOG=debug says more)");
		return false;
	}
	server->backend_destroy.notify = handle_backend_destroy;
	wl_signal_add(&server->backend->events.destroy, &server->backend_destroy);
	server->renderer = wlr_renderer_autocreate(server->backend);
	if (server->renderer == NULL) {
		log_error("no renderer: WLR_RENDERER=pixman needs no GPU");
		return false;
	}
	server->allocator = wlr_allocator_autocreate(server->backend, server->renderer);
	if (server->allocator == NULL) {
		log_error(
			"no memory for the screen can be had from the GPU: try WLR_RENDERER=pixman");
		return false;
	}
	if (wlr_renderer_is_pixman(server->renderer)) {
		struct wlr_renderer *renderer = software_renderer_create(server->renderer);
		if (renderer == NULL) {
			log_error("no memory for a renderer");
			return false;
		}
		server->renderer = renderer;
	}
	return true;
}

static bool init_scene(struct server *server) {
	server->output_layout = wlr_output_layout_create(server->display);
	server->scene = wlr_scene_create();
	if (server->output_layout == NULL || server->scene == NULL) {
		return false;
	}
	server->scene_layout = wlr_scene_attach_output_layout(server->scene, server->output_layout);
	for (int i = 0; i < LAYER_COUNT; i++) {
		server->layers[i] = wlr_scene_tree_create(&server->scene->tree);
		if (server->layers[i] == NULL) {
			return false;
		}
	}
	return server->scene_layout != NULL && notice_init(&server->notice, server);
}

/* A dma-buf that the renderer cannot read, as it comes from elsewhere than a GPU, is refused when
 * its client asks, who then has another way; a commit of it would show nothing. */
static bool can_import(struct wlr_dmabuf_attributes *attributes, void *data) {
	struct server *server = data;
	struct wlr_texture *texture = wlr_texture_from_dmabuf(server->renderer, attributes);
	if (texture == NULL) {
		return false;
	}
	wlr_texture_destroy(texture);
	return true;
}

/* The protocols that wlroots serves by itself. */
static bool init_protocols(struct server *server) {
	struct wl_display *display = server->display;
	if (!wlr_renderer_init_wl_shm(server->renderer, display)) {
		return false;
	}
	const struct wlr_drm_format_set *formats =
		wlr_renderer_get_texture_formats(server->renderer, WLR_BUFFER_CAP_DMABUF);
	if (formats != NULL) {
		// Mesa's software renderer, which has no modifiers, takes any dma-buf and crashes as it
		// reads one of a guest's.
		server->guest_dmabufs =
			wlr_drm_format_set_has(formats, DRM_FORMAT_XRGB8888, DRM_FORMAT_MOD_LINEAR);
		struct wlr_linux_dmabuf_v1 *dmabuf = wlr_linux_dmabuf_v1_create_with_renderer(
			display, DMABUF_VERSION, server->renderer);
		if (dmabuf != NULL) {
			wlr_linux_dmabuf_v1_set_check_dmabuf_callback(dmabuf, can_import, server);
			wlr_scene_set_linux_dmabuf_v1(server->scene, dmabuf);
		}
	}
	server->compositor = wlr_compositor_create(display, COMPOSITOR_VERSION, server->renderer);
	if (server->compositor == NULL) {
		return false;
	}
	server->new_surface.notify = guest_client_handle_new_surface;
	wl_signal_add(&server->compositor->events.new_surface, &server->new_surface);
	return wlr_subcompositor_create(display) != NULL &&
		wlr_data_device_manager_create(display) != NULL &&
		wlr_primary_selection_v1_device_manager_create(display) != NULL &&
		wlr_viewporter_create(display) != NULL &&
		wlr_single_pixel_buffer_manager_v1_create(display) != NULL &&
		wlr_fractional_scale_manager_v1_create(display, FRACTIONAL_SCALE_VERSION) != NULL &&
		wlr_presentation_create_compat(display, server->backend) != NULL &&
		wlr_screencopy_manager_v1_create(display) != NULL &&
		wlr_xdg_output_manager_v1_create(display, server->output_layout) != NULL;
}

bool server_init(struct server *server, struct config *config) {
	*server = (struct server){.config = *config};
	*config = (struct config){0};
	struct wl_list *lists[] = {&server->outputs, &server->windows, &server->guests,
		&server->new_output.link, &server->backend_destroy.link, &server->new_surface.link};
	for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		wl_list_init(lists[i]);
	}
	server->frame_style = (struct frame_style){
		.font = server->config.host.font,
		.border = (int)server->config.host.border,
		.title = frame_title_height(server->config.host.font),
	};
	if (!init_loop(server)) {
		return false;
	}
	server->desktop_varlink = desktop_varlink_create(server);
	if (server->desktop_varlink == NULL || !init_backend(server)) {
		return false;
	}
	// Only now is it sure that no other session of this user runs.
	server->keep = session_keep_create(server);
	if (server->keep == NULL) {
		return false;
	}
	if (!init_scene(server) || !init_protocols(server) ||
		(server->seat = seat_create(server)) == NULL ||
		(server->xdg = xdg_create(server)) == NULL ||
		(server->guest_desktop = guest_desktop_manager_create(server)) == NULL) {
		log_error("not enough memory for a session");
		return false;
	}
	wl_display_set_global_filter(server->display, guest_client_global_filter, server);
	server->new_output.notify = output_handle_new;
	wl_signal_add(&server->backend->events.new_output, &server->new_output);
	server->socket = wl_display_add_socket_auto(server->display);
	if (server->socket == NULL) {
		log_error("no Wayland socket in XDG_RUNTIME_DIR: %s", strerror(errno));
		return false;
	}
	return true;
}

bool server_run(struct server *server, const char *command) {
	if (!wlr_backend_start(server->backend)) {
		log_error("the screen cannot be switched on");
		return false;
	}
	setenv("WAYLAND_DISPLAY", server->socket, 1);
	unsetenv("DISPLAY");
	log_info("clients connect to WAYLAND_DISPLAY=%s", server->socket);
	server->host = host_link_create(server);
	if (server->host == NULL) {
		return false;
	}
	if (command != NULL) {
		server_spawn(server, command);
	}
	loop_run(&server->loop);
	return !server->failed;
}

static void finish_backend(struct server *server) {
	wl_list_remove(&server->new_output.link);
	wl_list_remove(&server->backend_destroy.link);
	wl_list_remove(&server->new_surface.link);
	if (server->backend != NULL) {
		wlr_backend_destroy(server->backend);
		server->backend = NULL;
	}
}

void server_finish(struct server *server) {
	server->leaving = true;
	host_link_destroy(server->host);
	session_keep_destroy(server->keep);
	desktop_varlink_destroy(server->desktop_varlink);
	server->host = NULL;
	server->keep = NULL;
	server->desktop_varlink = NULL;
	if (server->display != NULL) {
		wl_display_destroy_clients(server->display);
	}
	struct guest *guest, *next;
	wl_list_for_each_safe (guest, next, &server->guests, link) {
		guest_destroy(guest);
	}
	xdg_destroy(server->xdg);
	seat_destroy(server->seat);
	guest_desktop_manager_destroy(server->guest_desktop);
	server->seat = NULL;
	server->guest_desktop = NULL;
	finish_backend(server);
	notice_finish(&server->notice);
	if (server->changed_idle != NULL) {
		wl_event_source_remove(server->changed_idle);
	}
	if (server->closed_idle != NULL) {
		wl_event_source_remove(server->closed_idle);
	}
	if (server->scene != NULL) {
		wlr_scene_node_destroy(&server->scene->tree.node);
	}
	if (server->output_layout != NULL) {
		wlr_output_layout_destroy(server->output_layout);
	}
	wlr_allocator_destroy(server->allocator);
	wlr_renderer_destroy(server->renderer);
	for (size_t i = 0; i < sizeof(server->signals) / sizeof(server->signals[0]); i++) {
		if (server->signals[i] != NULL) {
			wl_event_source_remove(server->signals[i]);
		}
	}
	processes_finish(&server->processes);
	loop_finish(&server->loop);
	if (server->display != NULL) {
		wl_display_destroy(server->display);
	}
	config_finish(&server->config);
}

static void handle_changed(void *data) {
	struct server *server = data;
	server->changed_idle = NULL;
	struct guest *guest;
	wl_list_for_each (guest, &server->guests, link) {
		for (unsigned i = 0; i < GUEST_HEADS_MAX; i++) {
			if (guest->heads[i].window != NULL) {
				guest_window_update(guest->heads[i].window);
			}
		}
	}
	seat_refresh_pointer(server->seat);
	desktop_varlink_changed(server->desktop_varlink);
	session_keep_changed(server->keep);
}

void server_changed(struct server *server) {
	if (server->changed_idle == NULL && server->seat != NULL) {
		server->changed_idle =
			wl_event_loop_add_idle(server->loop.wayland, handle_changed, server);
		loop_kick(&server->loop);
	}
}

static void handle_shut_down(void *data) {
	struct server *server = data;
	session_keep_forget(server->keep);
	loop_stop(&server->loop);
}

void server_leave(struct server *server) {
	if (server->host == NULL) {
		loop_stop(&server->loop);
		return;
	}
	if (!server->leaving) {
		server->leaving = true;
		notice_show(&server->notice, output_focused(server),
			"Stopping the guests. Leaving again ends them at once.", 0);
	}
	host_link_shutdown(server->host, handle_shut_down, server);
}

static void find_nested(struct wlr_backend *backend, void *data) {
	bool *found = data;
	*found = *found || wlr_backend_is_wl(backend);
#if WLR_HAS_X11_BACKEND
	*found = *found || wlr_backend_is_x11(backend);
#endif
}

/* Whether the session around us, which we have a window in, is still there. */
static bool is_nested(struct server *server) {
	bool found = false;
	if (server->backend != NULL && wlr_backend_is_multi(server->backend)) {
		wlr_multi_for_each_backend(server->backend, find_nested, &found);
	} else if (server->backend != NULL) {
		find_nested(server->backend, &found);
	}
	return found;
}

static void handle_window_closed(void *data) {
	struct server *server = data;
	server->closed_idle = NULL;
	if (!wl_list_empty(&server->outputs)) {
		return;
	}
	if (is_nested(server)) {
		server_leave(server);
		return;
	}
	log_error("the session around this one has gone");
	server->failed = true;
	loop_stop(&server->loop);
}

void server_window_closed(struct server *server) {
	// A backend that goes destroys its outputs first.
	if (server->closed_idle == NULL && server->host != NULL) {
		server->closed_idle =
			wl_event_loop_add_idle(server->loop.wayland, handle_window_closed, server);
		loop_kick(&server->loop);
	}
}

void server_spawn(struct server *server, const char *command) {
	char *const argv[] = {"/bin/sh", "-c", (char *)command, NULL};
	pid_t pid = process_start(&server->processes, argv, -1, NULL, NULL);
	if (pid < 0) {
		log_error("'%s' cannot be started: %s", command, strerror(-pid));
	}
}
