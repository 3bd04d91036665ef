#include "guest-record.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "program.h"

#define RECORD_MAX 8192 // bytes
#define HEAD "mullion-guest 3\n"
#define TAIL "end\n"

static char *path_of(const char *guest, const char *suffix) {
	char *path, *runtime = program_runtime_dir();
	if (runtime == NULL ||
		asprintf(&path, "%s/guests/%s/record%s", runtime, guest, suffix) < 0) {
		path = NULL;
	}
	free(runtime);
	return path;
}

#define SETUP_DIGITS (2 * sizeof(struct link_setup))

static void print_setup(const struct link_setup *setup, char text[SETUP_DIGITS + 1]) {
	for (size_t i = 0; i < sizeof(*setup); i++) {
		snprintf(text + 2 * i, 3, "%02x", ((const unsigned char *)setup)[i]);
	}
}

static bool parse_setup(const char *text, struct link_setup *ret) {
	struct {
		uint32_t type, reserved;
		unsigned char body[sizeof(*ret)];
	} packet = {.type = LINK_SETUP};
	struct link_message message;
	if (strlen(text) != SETUP_DIGITS) {
		return false;
	}
	for (size_t i = 0; i < sizeof(packet.body); i++) {
		if (sscanf(text + 2 * i, "%2hhx", &packet.body[i]) != 1) {
			return false;
		}
	}
	struct link_setup unchecked;
	memcpy(&unchecked, packet.body, sizeof(unchecked));
	const size_t fds = LINK_FDS_OF((size_t)unchecked.functions);
	if (!link_decode(&packet, sizeof(packet), fds, &message)) {
		return false;
	}
	*ret = message.setup;
	return true;
}

static int format(const struct guest_record *record, char text[RECORD_MAX]) {
	char setup[SETUP_DIGITS + 1];
	print_setup(&record->setup, setup);
	int length = snprintf(text, RECORD_MAX,
		HEAD "base %" PRIu64 "\nlimit %" PRIu64 "\naperture %" PRIu64 "\nslice %" PRIu64
		     "\nstop-timeout %" PRIu64
		     "\nexternal %d\nsandbox %d\ncolour #%02x%02x%02x\ntitle %s\nsetup %s\n",
		record->base, record->limit, record->aperture, (uint64_t)record->slice,
		record->stop_timeout, record->vmm == CONFIG_VMM_EXTERNAL, record->sandbox,
		record->colour.red, record->colour.green, record->colour.blue, record->title,
		setup);
	for (unsigned i = 0; i < record->setup.functions && length < RECORD_MAX; i++) {
		length += snprintf(text + length, RECORD_MAX - (size_t)length,
			"state %" PRIu64 "\nsocket %s\n", (uint64_t)record->states[i],
			record->sockets[i]);
	}
	if (length < RECORD_MAX) {
		length += snprintf(text + length, RECORD_MAX - (size_t)length, TAIL);
	}
	return length < RECORD_MAX ? length : -EMSGSIZE;
}

static int write_file(const char *path, const char *text, size_t length) {
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		return -errno;
	}
	ssize_t written = write(fd, text, length);
	int error = written == (ssize_t)length ? 0 : written < 0 ? -errno : -ENOSPC;
	close(fd);
	return error;
}

int guest_record_save(const char *guest, const struct guest_record *record) {
	char text[RECORD_MAX];
	char *path = path_of(guest, ""), *fresh = path_of(guest, ".new");
	int error = path == NULL || fresh == NULL ? -ENOMEM : format(record, text);
	if (error >= 0) {
		error = write_file(fresh, text, (size_t)error);
	}
	if (error == 0 && rename(fresh, path) < 0) {
		error = -errno;
	}
	free(path);
	free(fresh);
	return error;
}

/* The value of the next line, which must be key's; NULL otherwise. Moves text on. */
static char *next_value(char **text, const char *key) {
	char *line = *text, *end = strchr(line, '\n');
	size_t length = strlen(key);
	if (end == NULL || strncmp(line, key, length) != 0 || line[length] != ' ') {
		return NULL;
	}
	*end = '\0';
	*text = end + 1;
	return line + length + 1;
}

static bool next_number(char **text, const char *key, uint64_t *ret) {
	char *value = next_value(text, key), *end;
	if (value == NULL || value[0] < '0' || value[0] > '9') {
		return false;
	}
	errno = 0;
	*ret = strtoull(value, &end, 10);
	return errno == 0 && *end == '\0';
}

/* What there is of each function, to the end. */
static bool parse_functions(char *text, struct guest_record *record) {
	for (unsigned i = 0; i < record->setup.functions; i++) {
		uint64_t state;
		if (!next_number(&text, "state", &state)) {
			return false;
		}
		const char *socket = next_value(&text, "socket");
		record->states[i] = (ino_t)state;
		record->sockets[i] = socket != NULL ? strdup(socket) : NULL;
		if (record->sockets[i] == NULL) {
			return false;
		}
	}
	return strcmp(text, TAIL) == 0;
}

static bool parse(char *text, struct guest_record *record) {
	uint64_t slice, external, sandbox;
	if (strncmp(text, HEAD, strlen(HEAD)) != 0) {
		return false;
	}
	text += strlen(HEAD);
	if (!next_number(&text, "base", &record->base) ||
		!next_number(&text, "limit", &record->limit) ||
		!next_number(&text, "aperture", &record->aperture) ||
		!next_number(&text, "slice", &slice) ||
		!next_number(&text, "stop-timeout", &record->stop_timeout) ||
		!next_number(&text, "external", &external) ||
		!next_number(&text, "sandbox", &sandbox)) {
		return false;
	}
	const char *colour = next_value(&text, "colour");
	const char *title = next_value(&text, "title"), *setup = next_value(&text, "setup");
	if (colour == NULL || !config_parse_colour(colour, &record->colour) || title == NULL ||
		setup == NULL || !parse_setup(setup, &record->setup)) {
		return false;
	}
	record->slice = (ino_t)slice;
	record->vmm = external != 0 ? CONFIG_VMM_EXTERNAL : CONFIG_VMM_QEMU;
	record->sandbox = sandbox != 0;
	record->title = strdup(title);
	return record->title != NULL && parse_functions(text, record);
}

int guest_record_load(const char *guest, struct guest_record *ret) {
	char text[RECORD_MAX + 1], *path = path_of(guest, "");
	*ret = (struct guest_record){0};
	int fd = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int error = fd < 0 ? -errno : 0;
	free(path);
	if (fd < 0) {
		return error;
	}
	ssize_t length = read(fd, text, RECORD_MAX);
	error = length < 0 ? -errno : 0;
	close(fd);
	if (error == 0) {
		text[length] = '\0';
		error = parse(text, ret) ? 0 : -EBADMSG;
	}
	if (error < 0) {
		guest_record_finish(ret);
	}
	return error;
}

void guest_record_remove(const char *guest) {
	char *path = path_of(guest, "");
	if (path != NULL) {
		unlink(path);
	}
	free(path);
}

void guest_record_finish(struct guest_record *record) {
	free(record->title);
	for (unsigned i = 0; i < LINK_FUNCTIONS; i++) {
		free(record->sockets[i]);
	}
	*record = (struct guest_record){0};
}
