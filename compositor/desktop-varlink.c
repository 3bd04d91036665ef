#include "desktop-varlink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-varlink.h>
#include <unistd.h>
#include <wlr/util/edges.h>

#include "clock.h"
#include "fd.h"
#include "guest-window.h"
#include "guest.h"
#include "host-start.h"
#include "log.h"
#include "output.h"
#include "program.h"
#include "screenshot.h"
#include "server.h"
#include "varlink-interfaces.h"
#include "window.h"

#define PICTURE_TIME (3 * USEC_PER_SEC) // for the next frame to come
#define COORDINATE_MAX 65536            // pixels, either way

struct desktop_varlink {
	struct server *server;
	sd_varlink_server *varlink;
	char *path;               // owned, of the socket
	struct wl_list links;     // struct link.link
	struct wl_list pictures;  // struct picture.link
	sd_json_variant *windows; // as told last, without what changes all the time
};

/* A connection. */
struct link {
	struct wl_list link; // desktop_varlink.links
	sd_varlink *varlink; // a reference
	bool watches;        // it wants to hear of the windows
};

/* A connection that waits for a screenshot. */
struct picture {
	struct wl_list link; // desktop_varlink.pictures
	struct desktop_varlink *desktop;
	sd_varlink *varlink;
	struct screenshot_request *request;
	sd_event_source *timeout;
};

struct arguments {
	const char *name; // may be NULL
	unsigned head;    // from 1; 0: not given
	int x, y, width, height;
};

#define ARGUMENT_HEAD                                                                              \
	{"head", _SD_JSON_VARIANT_TYPE_INVALID, sd_json_dispatch_uint32,                           \
		offsetof(struct arguments, head), SD_JSON_NULLABLE}

static const sd_json_dispatch_field nothing[] = {{}};

static const sd_json_dispatch_field name_optional[] = {
	{"name", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
		offsetof(struct arguments, name), SD_JSON_NULLABLE},
	ARGUMENT_HEAD, {}};

static const sd_json_dispatch_field name_only[] = {
	{"name", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
		offsetof(struct arguments, name), SD_JSON_MANDATORY},
	ARGUMENT_HEAD, {}};

static const sd_json_dispatch_field name_and_place[] = {
	{"name", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
		offsetof(struct arguments, name), SD_JSON_MANDATORY},
	ARGUMENT_HEAD,
	{"x", _SD_JSON_VARIANT_TYPE_INVALID, sd_json_dispatch_int32, offsetof(struct arguments, x),
		SD_JSON_MANDATORY},
	{"y", _SD_JSON_VARIANT_TYPE_INVALID, sd_json_dispatch_int32, offsetof(struct arguments, y),
		SD_JSON_MANDATORY},
	{}};

static const sd_json_dispatch_field name_and_size[] = {
	{"name", SD_JSON_VARIANT_STRING, sd_json_dispatch_const_string,
		offsetof(struct arguments, name), SD_JSON_MANDATORY},
	ARGUMENT_HEAD,
	{"width", _SD_JSON_VARIANT_TYPE_INVALID, sd_json_dispatch_int32,
		offsetof(struct arguments, width), SD_JSON_MANDATORY},
	{"height", _SD_JSON_VARIANT_TYPE_INVALID, sd_json_dispatch_int32,
		offsetof(struct arguments, height), SD_JSON_MANDATORY},
	{}};

static int describe(struct window *window, int stack, bool lasting, sd_json_variant **ret) {
	const struct guest_head *head = window->head;
	int mode_width, mode_height;
	guest_window_mode(head->window, &mode_width, &mode_height);
	// For comparison only whether it has ever been drawn counts.
	uint64_t frames = lasting ? head->frames > 0 : head->frames;
	uint64_t direct = lasting ? 0 : head->direct;
	return sd_json_buildo(ret, SD_JSON_BUILD_PAIR_STRING("guest", head->guest->name),
		SD_JSON_BUILD_PAIR_UNSIGNED("head", head->number + 1),
		SD_JSON_BUILD_PAIR_INTEGER("x", window->shown.x),
		SD_JSON_BUILD_PAIR_INTEGER("y", window->shown.y),
		SD_JSON_BUILD_PAIR_INTEGER("width", window->shown.width),
		SD_JSON_BUILD_PAIR_INTEGER("height", window->shown.height),
		SD_JSON_BUILD_PAIR_INTEGER("modeWidth", mode_width),
		SD_JSON_BUILD_PAIR_INTEGER("modeHeight", mode_height),
		SD_JSON_BUILD_PAIR_INTEGER("stack", stack),
		SD_JSON_BUILD_PAIR_BOOLEAN("focused", window->server->focused == window),
		SD_JSON_BUILD_PAIR_BOOLEAN("fullscreen", window->fullscreen != NULL),
		SD_JSON_BUILD_PAIR_UNSIGNED("frames", frames),
		SD_JSON_BUILD_PAIR_UNSIGNED("direct", direct));
}

/* {"windows": [...]}, the front one first. */
static int describe_all(struct server *server, bool lasting, sd_json_variant **ret) {
	sd_json_variant *array = NULL;
	int stack = 0, error = sd_json_variant_new_array(&array, NULL, 0);
	struct window *window;
	wl_list_for_each (window, &server->windows, link) {
		sd_json_variant *object = NULL;
		if (error >= 0 && window->head != NULL) {
			error = describe(window, stack, lasting, &object);
			error = error < 0 ? error : sd_json_variant_append_array(&array, object);
			sd_json_variant_unref(object);
		}
		stack++;
	}
	error = error < 0 ? error
			  : sd_json_buildo(ret, SD_JSON_BUILD_PAIR_VARIANT("windows", array));
	sd_json_variant_unref(array);
	return error;
}

static struct link *find_link(struct desktop_varlink *desktop, const sd_varlink *varlink) {
	struct link *link;
	wl_list_for_each (link, &desktop->links, link) {
		if (link->varlink == varlink) {
			break;
		}
	}
	return link; // each connection has one
}

static int method_windows(sd_varlink *varlink, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	struct desktop_varlink *desktop = data;
	int error = sd_varlink_dispatch(varlink, parameters, nothing, NULL);
	if (error != 0) {
		return error;
	}
	sd_json_variant *windows = NULL;
	error = describe_all(desktop->server, false, &windows);
	if (error < 0) {
		return error;
	}
	if ((flags & SD_VARLINK_METHOD_MORE) == 0) {
		error = sd_varlink_reply(varlink, windows);
	} else {
		find_link(desktop, varlink)->watches = true;
		error = sd_varlink_notify(varlink, windows);
	}
	sd_json_variant_unref(windows);
	return error;
}

void desktop_varlink_changed(struct desktop_varlink *desktop) {
	sd_json_variant *lasting = NULL, *windows = NULL;
	if (desktop == NULL || wl_list_empty(&desktop->links) ||
		describe_all(desktop->server, true, &lasting) < 0) {
		return;
	}
	if (!sd_json_variant_equal(lasting, desktop->windows) &&
		describe_all(desktop->server, false, &windows) >= 0) {
		struct link *link;
		wl_list_for_each (link, &desktop->links, link) {
			if (link->watches) {
				sd_varlink_notify(link->varlink, windows);
			}
		}
		loop_kick(&desktop->server->loop);
	}
	sd_json_variant_unref(windows);
	sd_json_variant_unref(desktop->windows);
	desktop->windows = lasting;
}

static int refuse(sd_varlink *varlink, const char *reason) {
	return sd_varlink_errorbo(
		varlink, DESKTOP_ERROR_REFUSED, SD_JSON_BUILD_PAIR_STRING("reason", reason));
}

/* The window meant, or NULL after the error reply, whose result is *ret_error. */
static struct window *find_window(struct desktop_varlink *desktop, sd_varlink *varlink,
	const struct arguments *arguments, int *ret_error) {
	const char *name = arguments->name;
	struct guest *guest = guest_find(desktop->server, name);
	if (guest == NULL && config_find_guest(&desktop->server->config, name) == NULL) {
		*ret_error = sd_varlink_errorbo(varlink, DESKTOP_ERROR_NO_SUCH_GUEST,
			SD_JSON_BUILD_PAIR_STRING("name", name));
		return NULL;
	}
	if (arguments->head > GUEST_HEADS_MAX) {
		*ret_error = refuse(varlink, "heads are numbered from 1 to 16");
		return NULL;
	}
	if (guest == NULL || guest->heads[0].window == NULL) {
		*ret_error = refuse(varlink, "the guest has no window: it is off");
		return NULL;
	}
	unsigned head = arguments->head > 0 ? arguments->head - 1 : 0;
	struct guest_window *window = guest->heads[head].window;
	if (window == NULL || !guest_window_base(window)->mapped) {
		*ret_error = refuse(varlink, "the guest shows nothing on that head");
		return NULL;
	}
	return guest_window_base(window);
}

static int reply_screenshot(sd_varlink *varlink, const struct screenshot *screenshot) {
	int error = sd_varlink_set_allow_fd_passing_output(varlink, true);
	error = error < 0 ? error : sd_varlink_push_fd(varlink, screenshot->fd);
	if (error < 0) {
		fd_close(screenshot->fd);
		return error;
	}
	return sd_varlink_replybo(varlink, SD_JSON_BUILD_PAIR_INTEGER("width", screenshot->width),
		SD_JSON_BUILD_PAIR_INTEGER("height", screenshot->height),
		SD_JSON_BUILD_PAIR_INTEGER("stride", screenshot->stride));
}

static void picture_destroy(struct picture *picture) {
	wl_list_remove(&picture->link);
	if (picture->request != NULL) {
		screenshot_cancel(picture->request);
	}
	sd_event_source_disable_unref(picture->timeout);
	sd_varlink_unref(picture->varlink);
	free(picture);
}

/* An output that is off, or on a virtual terminal in the back, has no next frame. */
static int handle_picture_timeout(sd_event_source *source, uint64_t usec, void *data) {
	struct picture *picture = data;
	refuse(picture->varlink, "the screen shows nothing new: is it switched off?");
	picture_destroy(picture);
	return 0;
}

static void handle_picture(void *data, const struct screenshot *screenshot) {
	struct picture *picture = data;
	picture->request = NULL;
	if (screenshot->fd < 0) {
		refuse(picture->varlink, "the output's pixels cannot be read");
	} else {
		reply_screenshot(picture->varlink, screenshot);
	}
	loop_kick(&picture->desktop->server->loop);
	picture_destroy(picture);
}

static int screenshot_of_session(struct desktop_varlink *desktop, sd_varlink *varlink) {
	struct picture *picture = calloc(1, sizeof(*picture));
	if (picture == NULL) {
		return -ENOMEM;
	}
	picture->request = screenshot_session(desktop->server, handle_picture, picture);
	if (picture->request == NULL) {
		free(picture);
		return refuse(varlink, "the session has no output");
	}
	picture->desktop = desktop;
	picture->varlink = sd_varlink_ref(varlink);
	wl_list_insert(&desktop->pictures, &picture->link);
	int error = sd_event_add_time_relative(desktop->server->loop.sd, &picture->timeout,
		CLOCK_MONOTONIC, PICTURE_TIME, 0, handle_picture_timeout, picture);
	if (error < 0) {
		picture_destroy(picture);
	}
	return error < 0 ? error : 0;
}

static int screenshot_of_guest(
	struct desktop_varlink *desktop, sd_varlink *varlink, const struct arguments *arguments) {
	int error;
	struct window *window = find_window(desktop, varlink, arguments, &error);
	if (window == NULL) {
		return error;
	}
	struct wlr_buffer *picture = guest_window_picture(window->head->window);
	struct screenshot screenshot;
	if (picture == NULL || screenshot_buffer(desktop->server, picture, &screenshot) < 0) {
		return refuse(varlink, "the guest has drawn nothing yet");
	}
	return reply_screenshot(varlink, &screenshot);
}

static int method_screenshot(sd_varlink *varlink, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	struct arguments arguments = {0};
	int error = sd_varlink_dispatch(varlink, parameters, name_optional, &arguments);
	if (error != 0) {
		return error;
	}
	return arguments.name != NULL ? screenshot_of_guest(data, varlink, &arguments)
				      : screenshot_of_session(data, varlink);
}

static int method_focus(sd_varlink *varlink, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	struct arguments arguments = {0};
	int error = sd_varlink_dispatch(varlink, parameters, name_only, &arguments);
	if (error != 0) {
		return error;
	}
	struct window *window = find_window(data, varlink, &arguments, &error);
	if (window == NULL) {
		return error;
	}
	window_focus(window);
	return sd_varlink_reply(varlink, NULL);
}

static int method_fullscreen(sd_varlink *varlink, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	struct desktop_varlink *desktop = data;
	struct arguments arguments = {0};
	int error = sd_varlink_dispatch(varlink, parameters, name_optional, &arguments);
	if (error != 0) {
		return error;
	}
	if (arguments.name == NULL) {
		struct output *output;
		wl_list_for_each (output, &desktop->server->outputs, link) {
			struct window *window = window_fullscreen_on(desktop->server, output);
			if (window != NULL) {
				window_set_fullscreen(window, NULL);
			}
		}
		return sd_varlink_reply(varlink, NULL);
	}
	struct window *window = find_window(desktop, varlink, &arguments, &error);
	if (window == NULL) {
		return error;
	}
	struct output *output = window_output(window);
	if (output == NULL) {
		return refuse(varlink, "the session has no output");
	}
	window_set_fullscreen(window, output);
	window_focus(window);
	return sd_varlink_reply(varlink, NULL);
}

static int method_move(sd_varlink *varlink, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	struct arguments arguments = {0};
	int error = sd_varlink_dispatch(varlink, parameters, name_and_place, &arguments);
	if (error != 0) {
		return error;
	}
	struct window *window = find_window(data, varlink, &arguments, &error);
	if (window == NULL) {
		return error;
	}
	if (arguments.x < -COORDINATE_MAX || arguments.x > COORDINATE_MAX ||
		arguments.y < -COORDINATE_MAX || arguments.y > COORDINATE_MAX) {
		return refuse(varlink, "x and y are from -65536 to 65536");
	}
	window_move(window, arguments.x, arguments.y);
	return sd_varlink_reply(varlink, NULL);
}

static int method_resize(sd_varlink *varlink, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	struct arguments arguments = {0};
	int error = sd_varlink_dispatch(varlink, parameters, name_and_size, &arguments);
	if (error != 0) {
		return error;
	}
	struct window *window = find_window(data, varlink, &arguments, &error);
	if (window == NULL) {
		return error;
	}
	if (arguments.width < WINDOW_MIN || arguments.width > WINDOW_MAX ||
		arguments.height < WINDOW_MIN || arguments.height > WINDOW_MAX) {
		return refuse(varlink, "width and height are from 48 to 16384");
	}
	struct wlr_box box = window->box;
	box.width = arguments.width;
	box.height = arguments.height;
	window_resize(window, box, WLR_EDGE_NONE);
	return sd_varlink_reply(varlink, NULL);
}

static int method_leave(sd_varlink *varlink, sd_json_variant *parameters,
	sd_varlink_method_flags_t flags, void *data) {
	struct desktop_varlink *desktop = data;
	int error = sd_varlink_dispatch(varlink, parameters, nothing, NULL);
	if (error != 0) {
		return error;
	}
	error = sd_varlink_reply(varlink, NULL);
	sd_varlink_flush(varlink);
	server_leave(desktop->server);
	return error;
}

static int handle_connect(sd_varlink_server *server, sd_varlink *varlink, void *data) {
	struct desktop_varlink *desktop = data;
	struct link *link = calloc(1, sizeof(*link));
	if (link == NULL) {
		return -ENOMEM;
	}
	link->varlink = sd_varlink_ref(varlink);
	wl_list_insert(&desktop->links, &link->link);
	return 0;
}

static void handle_disconnect(sd_varlink_server *server, sd_varlink *varlink, void *data) {
	struct desktop_varlink *desktop = data;
	struct link *link, *next_link;
	wl_list_for_each_safe (link, next_link, &desktop->links, link) {
		if (link->varlink == varlink) {
			wl_list_remove(&link->link);
			sd_varlink_unref(link->varlink);
			free(link);
		}
	}
	struct picture *picture, *next_picture;
	wl_list_for_each_safe (picture, next_picture, &desktop->pictures, link) {
		if (picture->varlink == varlink) {
			picture_destroy(picture);
		}
	}
}

/* Removes what a dead session left; false where a living one answers. */
static bool socket_is_free(const char *path) {
	int fd = host_connect(path);
	if (fd < 0) {
		return true;
	}
	fd_close(fd);
	return false;
}

static int serve(struct desktop_varlink *desktop) {
	int error = sd_varlink_server_new(&desktop->varlink,
		SD_VARLINK_SERVER_MYSELF_ONLY | SD_VARLINK_SERVER_INHERIT_USERDATA);
	if (error < 0) {
		return error;
	}
	sd_varlink_server_set_userdata(desktop->varlink, desktop);
	sd_varlink_server_set_info(desktop->varlink, "mullion", "mullion", MULLION_VERSION, NULL);
	error = sd_varlink_server_add_interface(desktop->varlink, &vl_interface_desktop);
	error = error < 0
		? error
		: sd_varlink_server_bind_method_many(desktop->varlink, DESKTOP_INTERFACE ".Windows",
			  method_windows, DESKTOP_INTERFACE ".Screenshot", method_screenshot,
			  DESKTOP_INTERFACE ".Focus", method_focus, DESKTOP_INTERFACE ".Fullscreen",
			  method_fullscreen, DESKTOP_INTERFACE ".Move", method_move,
			  DESKTOP_INTERFACE ".Resize", method_resize, DESKTOP_INTERFACE ".Leave",
			  method_leave);
	error = error < 0 ? error
			  : sd_varlink_server_bind_connect(desktop->varlink, handle_connect);
	error = error < 0 ? error
			  : sd_varlink_server_bind_disconnect(desktop->varlink, handle_disconnect);
	error = error < 0 ? error
			  : sd_varlink_server_listen_address(desktop->varlink, desktop->path, 0600);
	return error < 0
		? error
		: sd_varlink_server_attach_event(desktop->varlink, desktop->server->loop.sd, 0);
}

struct desktop_varlink *desktop_varlink_create(struct server *server) {
	struct desktop_varlink *desktop = calloc(1, sizeof(*desktop));
	char *directory = program_runtime_dir();
	if (desktop == NULL || directory == NULL ||
		asprintf(&desktop->path, "%s/" DESKTOP_INTERFACE, directory) < 0) {
		log_error(
			"no directory for sockets: %s (is XDG_RUNTIME_DIR set?)", strerror(errno));
		free(directory);
		free(desktop);
		return NULL;
	}
	free(directory);
	desktop->server = server;
	wl_list_init(&desktop->links);
	wl_list_init(&desktop->pictures);
	if (!socket_is_free(desktop->path)) {
		log_error(
			"another session runs already: %s answers (MULLION_RUNTIME_DIR names another "
			"directory)",
			desktop->path);
		free(desktop->path);
		free(desktop);
		return NULL;
	}
	int error = serve(desktop);
	if (error < 0) {
		log_error("%s: %s", desktop->path, strerror(-error));
		desktop_varlink_destroy(desktop);
		return NULL;
	}
	return desktop;
}

void desktop_varlink_destroy(struct desktop_varlink *desktop) {
	if (desktop == NULL) {
		return;
	}
	struct picture *picture, *next_picture;
	wl_list_for_each_safe (picture, next_picture, &desktop->pictures, link) {
		picture_destroy(picture);
	}
	// An open connection would keep the server and the event loop.
	struct link *link, *next_link;
	wl_list_for_each_safe (link, next_link, &desktop->links, link) {
		sd_varlink *varlink = sd_varlink_ref(link->varlink);
		sd_varlink_close_unref(varlink); // ends in handle_disconnect
	}
	if (desktop->varlink != NULL) {
		unlink(desktop->path);
		sd_varlink_server_shutdown(desktop->varlink);
		sd_varlink_server_unref(desktop->varlink);
	}
	sd_json_variant_unref(desktop->windows);
	free(desktop->path);
	free(desktop);
}
