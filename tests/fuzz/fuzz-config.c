#include "fuzz.h"

#include <fcntl.h>
#include <unistd.h>

#include "config-check.h"
#include "config.h"

/*
 * A host's file and up to two guests', separated by NUL bytes, through everything between
 * reading and the checks across files; then the parsers of single values.
 */

#define GUESTS_MAX 2

struct told {
	unsigned count;
};

static void handle_error(void *data, const char *message) {
	struct told *told = data;
	told->count++;
	FUZZ_CHECK(message[0] != '\0');
	for (const char *c = message; *c != '\0'; c++) {
		// What is printed must not be able to write to the terminal.
		FUZZ_CHECK(((unsigned char)*c >= 0x20 && *c != 0x7f) || *c == '\t');
	}
}

/* Files have directories, where relative paths in them start: no memfd will do. */
static char folder[] = "/tmp/fuzz-config-XXXXXX";
static const char *const names[] = {"mullion.ini", "one.ini", "two.ini"};

static void remove_folder(void) {
	char path[64];
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, names[i]);
		unlink(path);
	}
	rmdir(folder);
}

static void make_folder(void) {
	static bool made;
	if (!made) {
		made = true;
		FUZZ_CHECK(mkdtemp(folder) != NULL);
		atexit(remove_folder);
	}
}

/* Writes the next file of the input. */
static void next_file(struct fuzz_input *input, size_t which, char *ret_path, size_t size) {
	snprintf(ret_path, size, "%s/%s", folder, names[which]);
	int fd = open(ret_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	FUZZ_CHECK(fd >= 0);
	const uint8_t *end = input->size > 0 ? memchr(input->data, '\0', input->size) : NULL;
	size_t length = end != NULL ? (size_t)(end - input->data) : input->size;
	FUZZ_CHECK(length == 0 || write(fd, input->data, length) == (ssize_t)length);
	size_t skip = end != NULL ? length + 1 : length;
	input->data += skip;
	input->size -= skip;
	close(fd);
}

static void check_host(const struct config_host *host) {
	FUZZ_CHECK(host->vram > 0 && host->font != NULL && host->terminal != NULL);
	FUZZ_CHECK(host->output_width <= 16384 && host->output_height <= 16384);
	FUZZ_CHECK((host->output_width == 0) == (host->output_height == 0));
}

static void check_guest(const struct config_guest *guest) {
	FUZZ_CHECK(guest->vram > 0 && guest->vram % 4096 == 0);
	FUZZ_CHECK(guest->aperture >= 65536 && guest->aperture <= guest->vram);
	FUZZ_CHECK((guest->aperture & (guest->aperture - 1)) == 0);
	FUZZ_CHECK(guest->width >= 64 && guest->width <= 16384);
	FUZZ_CHECK(guest->height >= 64 && guest->height <= 16384);
	FUZZ_CHECK(guest->refresh > 0 && guest->hidden_refresh > 0);
	FUZZ_CHECK(guest->heads >= 1 && guest->heads <= 16);
	if (guest->personality == CONFIG_PERSONALITY_BOCHS) {
		FUZZ_CHECK(guest->heads == 1 && !guest->follow);
	} else {
		FUZZ_CHECK((uint64_t)guest->width * guest->height * 8 * guest->heads <=
			guest->vram - guest->aperture);
	}
	FUZZ_CHECK(guest->memory > 0 && guest->memory % (1 << 20) == 0 && guest->cpus > 0);
	FUZZ_CHECK(guest->disk != NULL && (guest->disk[0] == '\0' || guest->disk[0] == '/'));
}

static void read_host(
	struct config *config, const char *path, struct config_marks *marks, struct told *told) {
	struct config_report report = {.func = handle_error, .data = told};
	FUZZ_CHECK(config_set_defaults(CONFIG_SCOPE_HOST, &config->host));
	bool read = config_file_read(path, CONFIG_SCOPE_HOST, &config->host, marks, &report);
	FUZZ_CHECK(read == (report.count == 0));
	config_check_host(&config->host, path, marks, &report);
	check_host(&config->host);
}

static void read_guest(struct config_guest *guest, struct config_marks *marks, struct told *told) {
	struct config_report report = {.func = handle_error, .data = told};
	FUZZ_CHECK(config_set_defaults(CONFIG_SCOPE_GUEST, guest));
	bool read = config_file_read(guest->file, CONFIG_SCOPE_GUEST, guest, marks, &report);
	FUZZ_CHECK(read == (report.count == 0));
	if (read) {
		config_check_guest(guest, marks, &report);
	}
	if (report.count == 0) {
		check_guest(guest);
	}
	if (guest->title[0] == '\0') {
		free(guest->title);
		guest->title = strdup(guest->name);
	}
}

static void load(struct fuzz_input *input) {
	struct told told = {0};
	struct config config = {.guests = calloc(GUESTS_MAX, sizeof(struct config_guest))};
	struct config_marks *marks = calloc(1 + GUESTS_MAX, sizeof(*marks));
	FUZZ_CHECK(config.guests != NULL && marks != NULL);
	char path[64];
	next_file(input, 0, path, sizeof(path));
	read_host(&config, path, &marks[0], &told);
	for (size_t i = 0; i < GUESTS_MAX && input->size > 0; i++) {
		struct config_guest *guest = &config.guests[config.guests_len++];
		next_file(input, 1 + i, path, sizeof(path));
		*guest = (struct config_guest){.name = strdup(i == 0 ? "one" : "two"),
			.file = strdup(path),
			.number = (uint32_t)i + 1};
		read_guest(guest, &marks[1 + i], &told);
	}
	struct config_report report = {.func = handle_error, .data = &told};
	config_check_all(&config, &marks[0], &marks[1], &report);
	free(marks);
	config_finish(&config);
}

/* Each takes the whole string or leaves what it was given. */
static void parse(const uint8_t *data, size_t size) {
	char *string = strndup((const char *)data, size);
	FUZZ_CHECK(string != NULL);
	uint64_t wide = 0;
	uint32_t first = 0, second = 0;
	struct config_colour colour;
	struct config_binding binding;
	config_parse_size(string, &wide);
	config_parse_duration(string, &wide);
	config_parse_frequency(string, &first);
	config_parse_colour(string, &colour);
	config_parse_binding(string, &binding);
	config_parse_modifiers(string, &first);
	config_parse_mode(string, &first, &second);
	FUZZ_CHECK(config_name_allowed(string, strlen(string)) ==
		(strlen(string) >= 1 && strlen(string) <= CONFIG_NAME_MAX &&
			strspn(string, "abcdefghijklmnopqrstuvwxyz0123456789_.-") ==
				strlen(string) &&
			strchr("_.-", string[0]) == NULL));
	free(string);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct fuzz_input input = {data, size};
	make_folder();
	load(&input);
	parse(data, size);
	return 0;
}
