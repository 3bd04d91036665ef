#include "config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config-check.h"

#define DIRECTORIES_MAX 32

struct load {
	struct config config;
	struct config_report report;
	struct config_marks host_marks;
	struct config_marks *guest_marks;   // owned, one for each guest
	char *directories[DIRECTORIES_MAX]; // owned; the first that has a file wins
	size_t directories_len;
};

static void add_directory(struct load *load, const char *base, size_t length, const char *below) {
	char *path;
	// The base directory specification: relative paths are ignored.
	if (load->directories_len < DIRECTORIES_MAX && length > 0 && base[0] == '/' &&
		asprintf(&path, "%.*s%s", (int)length, base, below) >= 0) {
		load->directories[load->directories_len++] = path;
	}
}

static void find_directories(struct load *load) {
	const char *only = getenv("MULLION_CONFIG_DIR");
	if (only != NULL && only[0] != '\0') {
		char *real = realpath(only, NULL); // it may be relative
		if (real == NULL) {
			config_report(
				&load->report, only, 0, "MULLION_CONFIG_DIR: %s", strerror(errno));
			return;
		}
		load->directories[load->directories_len++] = real;
		return;
	}
	const char *home = getenv("XDG_CONFIG_HOME");
	if (home != NULL && home[0] == '/') {
		add_directory(load, home, strlen(home), "/mullion");
	} else if ((home = getenv("HOME")) != NULL) {
		add_directory(load, home, strlen(home), "/.config/mullion");
	}
	const char *list = getenv("XDG_CONFIG_DIRS");
	if (list == NULL || list[0] == '\0') {
		list = "/etc/xdg";
	}
	while (list[0] != '\0') {
		size_t length = strcspn(list, ":");
		add_directory(load, list, length, "/mullion");
		list += length + (list[length] == ':');
	}
}

static void load_host(struct load *load) {
	struct config_marks *marks = &load->host_marks;
	for (size_t i = 0; i < load->directories_len; i++) {
		char *path;
		if (asprintf(&path, "%s/mullion.ini", load->directories[i]) < 0) {
			return;
		}
		// A link to nowhere is an error, not a file that is missing.
		if (faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0 || errno != ENOENT) {
			config_file_read(
				path, CONFIG_SCOPE_HOST, &load->config.host, marks, &load->report);
			config_check_host(&load->config.host, path, marks, &load->report);
			free(path);
			return;
		}
		free(path);
	}
}

static struct config_colour palette(uint32_t number) {
	// Apart from each other and from the background, dark enough for a white title.
	static const struct config_colour colours[] = {
		{0x34, 0x65, 0xa4}, // blue
		{0x4e, 0x9a, 0x06}, // green
		{0xce, 0x5c, 0x00}, // orange
		{0x75, 0x50, 0x7b}, // plum
		{0x06, 0x98, 0x9a}, // teal
		{0xa4, 0x00, 0x50}, // crimson
		{0x8f, 0x59, 0x02}, // brown
		{0x5f, 0x6a, 0x72}, // slate
	};
	return colours[(number - 1) % (sizeof(colours) / sizeof(colours[0]))];
}

static void finish_guest(struct config_guest *guest) {
	config_free_strings(CONFIG_SCOPE_GUEST, guest);
	free(guest->name);
	free(guest->file);
}

/*
 * Reads a guest's file, reporting. The guest has its name, file and number, and is whole
 * afterwards except where memory is short.
 */
static bool read_guest(
	struct config_guest *guest, struct config_marks *marks, struct config_report *report) {
	if (guest->name == NULL || guest->file == NULL ||
		!config_set_defaults(CONFIG_SCOPE_GUEST, guest)) {
		config_report(report, "guests", 0, "cannot be read: out of memory");
		return false;
	}
	guest->colour = palette(guest->number);
	if (config_file_read(guest->file, CONFIG_SCOPE_GUEST, guest, marks, report)) {
		config_check_guest(guest, marks, report);
	}
	if (guest->title[0] == '\0') {
		free(guest->title);
		guest->title = strdup(guest->name);
	}
	return guest->title != NULL;
}

struct config_guest *config_find_guest(const struct config *config, const char *name) {
	for (size_t i = 0; i < config->guests_len; i++) {
		if (strcmp(config->guests[i].name, name) == 0) {
			return &config->guests[i];
		}
	}
	return NULL;
}

struct config_output config_find_output(const struct config_host *host, const char *name) {
	for (size_t i = 0; i < CONFIG_OUTPUTS_MAX && host->outputs[i].name[0] != '\0'; i++) {
		if (strcmp(host->outputs[i].name, name) == 0) {
			return host->outputs[i];
		}
	}
	return (struct config_output){.scale = CONFIG_SCALE};
}

/* The name in NAME.ini, owned by the caller; NULL for other files and refused names. */
static char *name_of_file(const char *path, struct config_report *report) {
	const char *slash = strrchr(path, '/');
	const char *base = slash != NULL ? slash + 1 : path;
	size_t length = strlen(base);
	if (length < 4 || strcmp(base + length - 4, ".ini") != 0 ||
		!config_name_allowed(base, length - 4)) {
		config_report(report, path, 0,
			"the file's name is no guest's, allowed: NAME.ini, NAME of at most %d of a to z, 0 to 9, and _ . - after the first",
			CONFIG_NAME_MAX);
		return NULL;
	}
	return strndup(base, length - 4);
}

static void add_guest(struct load *load, const char *path) {
	struct config *config = &load->config;
	char *name = name_of_file(path, &load->report);
	if (name == NULL || config_find_guest(config, name) != NULL) {
		free(name);
		return; // reported, or hidden by one of an earlier directory
	}
	if (config->guests_len == CONFIG_GUESTS_MAX) {
		config_report(&load->report, path, 0, "is one guest too many, allowed: %d",
			CONFIG_GUESTS_MAX);
		free(name);
		return;
	}
	struct config_guest *guest = &config->guests[config->guests_len++];
	*guest = (struct config_guest){.name = name, .file = strdup(path)};
}

static int is_ini(const struct dirent *entry) {
	size_t length = strlen(entry->d_name);
	return entry->d_name[0] != '.' && length >= 4 &&
		strcmp(entry->d_name + length - 4, ".ini") == 0;
}

static void load_directory(struct load *load, const char *directory) {
	int fd = open(directory, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
	if (fd < 0) {
		if (errno != ENOENT) {
			config_report(&load->report, directory, 0, "cannot be opened: %s",
				strerror(errno));
		}
		return;
	}
	const char *distrust = config_distrust(fd, true);
	struct dirent **entries = NULL;
	int n = -1;
	if (distrust != NULL) {
		config_report(&load->report, directory, 0, "%s", distrust);
	} else if ((n = scandirat(fd, ".", &entries, is_ini, alphasort)) < 0) {
		config_report(&load->report, directory, 0, "cannot be read: %s", strerror(errno));
	}
	for (int i = 0; i < n; i++) {
		char *path;
		if (asprintf(&path, "%s/%s", directory, entries[i]->d_name) >= 0) {
			add_guest(load, path);
			free(path);
		}
		free(entries[i]);
	}
	free(entries);
	close(fd);
}

static int compare_names(const void *a, const void *b) {
	const struct config_guest *left = a, *right = b;
	return strcmp(left->name, right->name);
}

static bool load_guests(struct load *load) {
	for (size_t i = 0; i < load->directories_len; i++) {
		char *path;
		if (asprintf(&path, "%s/guests", load->directories[i]) >= 0) {
			load_directory(load, path);
			free(path);
		}
	}
	struct config *config = &load->config;
	if (config->guests_len > 0) {
		qsort(config->guests, config->guests_len, sizeof(config->guests[0]), compare_names);
	}
	for (size_t i = 0; i < config->guests_len; i++) {
		config->guests[i].number = (uint32_t)i + 1;
		if (!read_guest(&config->guests[i], &load->guest_marks[i], &load->report)) {
			return false;
		}
	}
	return true;
}

bool config_load(struct config *ret, config_error_func on_error, void *data) {
	struct load load = {.report = {.func = on_error, .data = data}};
	load.config.guests = calloc(CONFIG_GUESTS_MAX, sizeof(load.config.guests[0]));
	load.guest_marks = calloc(CONFIG_GUESTS_MAX, sizeof(load.guest_marks[0]));
	if (load.config.guests == NULL || load.guest_marks == NULL ||
		!config_set_defaults(CONFIG_SCOPE_HOST, &load.config.host)) {
		config_report(&load.report, "mullion.ini", 0, "cannot be read: out of memory");
	} else {
		find_directories(&load);
		load_host(&load);
		if (load_guests(&load)) {
			config_check_all(
				&load.config, &load.host_marks, load.guest_marks, &load.report);
		}
	}
	for (size_t i = 0; i < load.directories_len; i++) {
		free(load.directories[i]);
	}
	free(load.guest_marks);
	if (load.report.count > 0) {
		config_finish(&load.config);
		return false;
	}
	*ret = load.config;
	return true;
}

static void check_host_file(const char *path, struct config_report *report) {
	struct config_host host = {0};
	struct config_marks marks = {0};
	if (!config_set_defaults(CONFIG_SCOPE_HOST, &host)) {
		config_report(report, path, 0, "cannot be read: out of memory");
	} else if (config_file_read(path, CONFIG_SCOPE_HOST, &host, &marks, report)) {
		config_check_host(&host, path, &marks, report);
	}
	config_free_strings(CONFIG_SCOPE_HOST, &host);
}

static void check_guest_file(const char *path, struct config_report *report) {
	struct config_guest guest = {.name = name_of_file(path, report), .number = 1};
	struct config_marks marks = {0};
	if (guest.name != NULL) {
		guest.file = strdup(path);
		read_guest(&guest, &marks, report);
	}
	finish_guest(&guest);
}

bool config_check_file(const char *path, config_error_func on_error, void *data) {
	struct config_report report = {.func = on_error, .data = data};
	const char *slash = strrchr(path, '/');
	if (strcmp(slash != NULL ? slash + 1 : path, "mullion.ini") == 0) {
		check_host_file(path, &report);
	} else {
		check_guest_file(path, &report);
	}
	return report.count == 0;
}

void config_finish(struct config *config) {
	for (size_t i = 0; i < config->guests_len; i++) {
		finish_guest(&config->guests[i]);
	}
	free(config->guests);
	config_free_strings(CONFIG_SCOPE_HOST, &config->host);
	*config = (struct config){0};
}
