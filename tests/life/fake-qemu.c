/*
 * Stands in for QEMU in test-guest: has a vfio-user-pci device and speaks QMP on its
 * listening descriptor 3, with one client after the other. What it does follows from the guest's name; see obey().
 */
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *name = "";
static int qmp;

static void say(const char *text) {
	if (send(qmp, text, strlen(text), MSG_NOSIGNAL) < 0) {
		shutdown(qmp, SHUT_RDWR);
	}
}

static void reply(const char *command, const char *result) {
	char text[512];
	const char *id = strstr(command, "\"id\":");
	snprintf(text, sizeof(text), "{\"return\": %s, \"id\": %lu}\r\n", result,
		id != NULL ? strtoul(id + 5, NULL, 10) : 0);
	say(text);
}

static bool is(const char *command, const char *wanted) {
	char text[64];
	snprintf(text, sizeof(text), "\"execute\":\"%s\"", wanted);
	return strstr(command, text) != NULL;
}

static void obey(const char *command) {
	if (is(command, "query-status")) {
		reply(command, "{\"running\": true}");
	} else if (is(command, "query-pci")) {
		reply(command,
			"[{\"devices\": [{\"qdev_id\": \"gpu\", \"bus\": 0, \"slot\": 16, "
			"\"function\": 0}]}]");
	} else if (is(command, "system_powerdown")) {
		reply(command, "{}");
		if (strcmp(name, "keeps-vmm") == 0) {
			fputs("qemu: it has no button\n", stderr);
		} else if (strcmp(name, "obeys") == 0) {
			say("{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true}}\r\n");
			exit(0);
		}
	} else if (is(command, "quit")) {
		reply(command, "{}");
		if (strcmp(name, "stubborn") == 0) {
			exit(0);
		}
	} else {
		reply(command, "{}");
	}
}

/* One that ends before its answer was read has never run. */
#define HEARD_USEC 100000

static void serve(FILE *in) {
	char line[65536];
	say("{\"QMP\": {}}\r\n");
	while (in != NULL && fgets(line, sizeof(line), in) != NULL) {
		obey(line);
		if (is(line, "query-status") && strcmp(name, "powers-off") == 0) {
			usleep(HEARD_USEC);
			exit(0);
		} else if (is(line, "query-status") && strcmp(name, "breaks") == 0) {
			usleep(HEARD_USEC);
			fputs("qemu: warning: not the reason\nqemu: -device {\"a\": 1}: it broke\n"
			      "qemu: warning: nor this\n",
				stderr);
			exit(1);
		} else if (is(line, "query-status") && strcmp(name, "raves") == 0) {
			say("no JSON at all\n");
		}
	}
}

int main(int argc, char **argv) {
	for (int i = 1; i + 1 < argc; i++) {
		if (strcmp(argv[i], "-device") == 0 && strcmp(argv[i + 1], "help") == 0) {
			puts("name \"vfio-user-pci\", bus PCI");
			return 0;
		}
		if (strcmp(argv[i], "-name") == 0) {
			name = argv[i + 1];
		}
	}
	if (strcmp(name, "never-starts") == 0) {
		fputs("qemu: no such machine\n", stderr);
		return 1;
	}
	// Without a control connection it goes on.
	listen(3, 1);
	fcntl(3, F_SETFL, 0);
	while ((qmp = accept(3, NULL, NULL)) >= 0) {
		FILE *in = fdopen(qmp, "r");
		serve(in);
		fclose(in);
	}
	return 6;
}
