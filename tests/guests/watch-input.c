/*
 * Says on standard output what the guest's input devices report, one line an event, and
 * powers the guest off when its power button is pressed.
 *
 *	device NAME          an input device was found
 *	from NAME            what follows comes from that one
 *	key CODE VALUE       evdev's numbers, buttons included
 *	repeat CODE          of a key that is held
 *	pointer X Y          absolute, 0 to 32767
 *	motion AXIS STEPS    relative; axis 0 is to the right, 1 down
 *	wheel CLICKS         positive is up, as evdev has it
 *	contact CODE VALUE   of a touch screen, evdev's numbers
 *	dropped              the kernel has lost events of which this was too slow to hear
 *	power                the power button
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/reboot.h>
#include <unistd.h>

#define MAX_DEVICES 16
#define DIRECTORY "/dev/input"

struct device {
	int fd; // owned, -1 when free
	int x, y;
	char name[80];
};

static struct device devices[MAX_DEVICES];
static int opened[MAX_DEVICES];      // the event number of each
static const struct device *speaker; // of the last line

static bool known(int number) {
	for (int i = 0; i < MAX_DEVICES; i++) {
		if (devices[i].fd >= 0 && opened[i] == number) {
			return true;
		}
	}
	return false;
}

static void open_device(int slot, int number) {
	char path[64], *name = devices[slot].name;
	snprintf(path, sizeof(path), DIRECTORY "/event%d", number);
	devices[slot].fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (devices[slot].fd < 0) {
		return;
	}
	opened[slot] = number;
	snprintf(name, sizeof(devices[slot].name), "?");
	ioctl(devices[slot].fd, EVIOCGNAME(sizeof(devices[slot].name) - 1), name);
	printf("device %s\n", name);
}

static void open_new_devices(void) {
	for (int number = 0; number < MAX_DEVICES; number++) {
		for (int slot = 0; slot < MAX_DEVICES && !known(number); slot++) {
			if (devices[slot].fd < 0) {
				open_device(slot, number);
				break;
			}
		}
	}
}

static void power_off(void) {
	printf("power\n");
	fflush(stdout);
	sync();
	reboot(RB_POWER_OFF);
}

static void report(struct device *device, const struct input_event *event) {
	if (speaker != device) {
		speaker = device;
		printf("from %s\n", device->name);
	}
	if (event->type == EV_KEY && event->code == KEY_POWER && event->value == 1) {
		power_off();
	} else if (event->type == EV_KEY && event->value != 2) {
		printf("key %d %d\n", event->code, event->value);
	} else if (event->type == EV_KEY && event->value == 2) {
		printf("repeat %d\n", event->code);
	} else if (event->type == EV_SYN && event->code == SYN_DROPPED) {
		printf("dropped\n");
	} else if (event->type == EV_ABS && event->code >= ABS_MT_SLOT) {
		printf("contact %d %d\n", event->code, event->value);
	} else if (event->type == EV_ABS && event->code == ABS_X) {
		device->x = event->value;
	} else if (event->type == EV_ABS && event->code == ABS_Y) {
		device->y = event->value;
	} else if (event->type == EV_REL && event->code == REL_WHEEL) {
		printf("wheel %d\n", event->value);
	} else if (event->type == EV_REL && (event->code == REL_X || event->code == REL_Y)) {
		printf("motion %d %d\n", event->code, event->value);
	}
	if (event->type == EV_ABS && event->code < ABS_MT_SLOT) {
		printf("pointer %d %d\n", device->x, device->y);
	}
}

static void read_device(struct device *device) {
	struct input_event event;
	ssize_t length;
	while ((length = read(device->fd, &event, sizeof(event))) == (ssize_t)sizeof(event)) {
		report(device, &event);
	}
	if (length < 0 && errno != EAGAIN) {
		close(device->fd);
		device->fd = -1;
	}
}

int main(void) {
	char names[4096];
	int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	inotify_add_watch(watch, DIRECTORY, IN_CREATE);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 0; i < MAX_DEVICES; i++) {
		devices[i].fd = -1;
	}
	for (;;) {
		open_new_devices();
		struct pollfd fds[MAX_DEVICES + 1] = {{.fd = watch, .events = POLLIN}};
		for (int i = 0; i < MAX_DEVICES; i++) {
			fds[i + 1] = (struct pollfd){.fd = devices[i].fd, .events = POLLIN};
		}
		if (poll(fds, MAX_DEVICES + 1, -1) < 0 && errno != EINTR) {
			return 1;
		}
		while (read(watch, names, sizeof(names)) > 0) {
		}
		for (int i = 0; i < MAX_DEVICES; i++) {
			if (fds[i + 1].revents != 0) {
				read_device(&devices[i]);
			}
		}
	}
}
