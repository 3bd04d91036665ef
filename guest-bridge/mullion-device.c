#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "device-sandbox.h"
#include "device.h"
#include "fd.h"

#define ALONE_SEC 60
#define ALONE_SEC_MAX 86400

struct arguments {
	bool sandbox;
	uint64_t alone_sec;
};

static bool is_link(int fd) {
	int type = 0;
	socklen_t size = sizeof(type);
	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_SEQPACKET;
}

static int device_init(struct device *device, const struct arguments *arguments, int udmabuf) {
	*device = (struct device){
		.link = LINK_DEVICE_FD,
		.udmabuf = udmabuf,
		.slice = {.fd = -1},
		.alone_usec = arguments->alone_sec * USEC_PER_SEC,
	};
	memset(device->fds, -1, sizeof(device->fds));
	int error = sd_event_default(&device->event);
	if (error >= 0) {
		error = device_mulliond_init(device);
	}
	const int signals[] = {SIGINT, SIGTERM};
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]) && error >= 0; i++) {
		error = sd_event_add_signal(
			device->event, NULL, signals[i] | SD_EVENT_SIGNAL_PROCMASK, NULL, NULL);
	}
	return error;
}

static void device_finish(struct device *device) {
	for (unsigned i = 0; i < LINK_FUNCTIONS; i++) {
		device_port_stop(&device->ports[i]);
	}
	bridge_destroy(device->bridge);
	device_inputs_finish(device);
	gpu_function_finish(&device->function);
	for (unsigned i = 0; i < LINK_FUNCTIONS; i++) {
		device_port_finish(&device->ports[i]);
	}
	slice_finish(&device->slice);
	fd_close_many(device->fds, LINK_FDS_MAX);
	sd_event_source_disable_unref(device->link_source);
	sd_event_source_disable_unref(device->alone);
	link_listener_finish(&device->links);
	sd_event_unref(device->event);
	fd_close(device->link);
	fd_close(device->udmabuf);
}

static uint64_t parse_alone(const char *text) {
	char *end;
	unsigned long seconds = strtoul(text, &end, 10);
	if (text[0] < '0' || text[0] > '9' || *end != '\0' || seconds < 1 ||
		seconds > ALONE_SEC_MAX) {
		fprintf(stderr, "mullion-device: --alone '%s' is not 1 to %d seconds\n", text,
			ALONE_SEC_MAX);
		exit(2);
	}
	return seconds;
}

static struct arguments parse_arguments(int argc, char *argv[]) {
	static const struct option options[] = {
		{"alone", required_argument, NULL, 'a'},
		{"help", no_argument, NULL, 'h'},
		{"no-sandbox", no_argument, NULL, 'n'},
		{"version", no_argument, NULL, 'V'},
		{0},
	};
	int option;
	struct arguments arguments = {.sandbox = true, .alone_sec = ALONE_SEC};
	while ((option = getopt_long(argc, argv, "hV", options, NULL)) >= 0) {
		switch (option) {
		case 'a':
			arguments.alone_sec = parse_alone(optarg);
			break;
		case 'h':
			printf("usage: mullion-device\n\n"
			       "One guest's GPU. mulliond starts it, with their link on descriptor %d;\n"
			       "it is of no use by hand.\n\n"
			       "      --alone SECONDS  end that long after VMM and mulliond (%d)\n"
			       "  -h, --help           show this text\n"
			       "      --no-sandbox     run with all rights of the user\n"
			       "  -V, --version        show the version\n",
				LINK_DEVICE_FD, ALONE_SEC);
			exit(EXIT_SUCCESS);
		case 'n':
			arguments.sandbox = false;
			break;
		case 'V':
			printf("mullion-device %s\n", MULLION_VERSION);
			exit(EXIT_SUCCESS);
		default:
			exit(2);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "mullion-device: '%s' is not understood: it takes no arguments\n",
			argv[optind]);
		exit(2);
	}
	return arguments;
}

int main(int argc, char *argv[]) {
	const struct arguments arguments = parse_arguments(argc, argv);
	log_init("mullion-device", NULL, LOG_LEVEL_INFO);
	if (!is_link(LINK_DEVICE_FD)) {
		log_error("there is no link on descriptor %d: mulliond starts this program",
			LINK_DEVICE_FD);
		return EXIT_FAILURE;
	}
	// Only here: in its sandbox there are no files.
	int udmabuf = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	if (udmabuf < 0 && errno != ENOENT) {
		log_info("/dev/udmabuf cannot be opened: %s; pictures are copied", strerror(errno));
	}
	struct link_sandbox layers = {0};
	if (arguments.sandbox) {
		device_sandbox(LINK_DEVICE_FD, &layers);
	}
	signal(SIGPIPE, SIG_IGN);
	struct device device;
	int error = device_init(&device, &arguments, udmabuf);
	device.sandbox = layers;
	if (error >= 0) {
		device_mulliond_tell_sandbox(&device);
		error = sd_event_loop(device.event);
	}
	if (error < 0) {
		log_error("the event loop failed: %s", strerror(-error));
	}
	device_finish(&device);
	return error < 0 ? EXIT_FAILURE : error;
}
