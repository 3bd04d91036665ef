/* The commands that read the configuration themselves: no daemon need run. */
#include "commands.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <systemd/sd-json.h>

#include "client.h"
#include "config.h"

struct findings {
	bool json;
	sd_json_variant *errors, *warnings; // arrays, or NULL while empty
};

static void add_line(sd_json_variant **array, const char *line) {
	sd_json_variant *text = NULL;
	if (sd_json_variant_new_string(&text, line) >= 0) {
		sd_json_variant_append_array(array, text);
	}
	sd_json_variant_unref(text);
}

static void on_error(void *data, const char *message) {
	struct findings *findings = data;
	add_line(&findings->errors, message);
	if (!findings->json) {
		fprintf(stderr, "%s\n", message);
	}
}

static void on_warning(struct findings *findings, const struct config_guest *guest, const char *key,
	const char *path) {
	char line[8192];
	if (path[0] == '\0' || access(path, R_OK) == 0) {
		return;
	}
	snprintf(line, sizeof(line), "%s: [machine] %s: '%s': %s; the guest will not start",
		guest->file, key, path, strerror(errno));
	add_line(&findings->warnings, line);
	if (!findings->json) {
		fprintf(stderr, "warning: %s\n", line);
	}
}

/* What a guest needs may come later: that it is not there is no error of the files. */
static void look_for_files(struct findings *findings, const struct config *config) {
	for (size_t i = 0; i < config->guests_len; i++) {
		const struct config_guest *guest = &config->guests[i];
		on_warning(findings, guest, "disk", guest->disk);
		on_warning(findings, guest, "cdrom", guest->cdrom);
		on_warning(findings, guest, "kernel", guest->kernel);
		on_warning(findings, guest, "initrd", guest->initrd);
	}
}

static bool check_all(struct findings *findings) {
	struct config config = {0};
	if (!config_load(&config, on_error, findings)) {
		return false;
	}
	look_for_files(findings, &config);
	if (!findings->json) {
		printf("no errors; %zu guest%s\n", config.guests_len,
			config.guests_len == 1 ? "" : "s");
	}
	config_finish(&config);
	return true;
}

static void print_findings(const struct findings *findings) {
	sd_json_variant *object = NULL;
	if (sd_json_buildo(&object,
		    SD_JSON_BUILD_PAIR_CONDITION(findings->errors != NULL, "errors",
			    SD_JSON_BUILD_VARIANT(findings->errors)),
		    SD_JSON_BUILD_PAIR_CONDITION(
			    findings->errors == NULL, "errors", SD_JSON_BUILD_EMPTY_ARRAY),
		    SD_JSON_BUILD_PAIR_CONDITION(findings->warnings != NULL, "warnings",
			    SD_JSON_BUILD_VARIANT(findings->warnings)),
		    SD_JSON_BUILD_PAIR_CONDITION(findings->warnings == NULL, "warnings",
			    SD_JSON_BUILD_EMPTY_ARRAY)) >= 0) {
		sd_json_variant_dump(object, SD_JSON_FORMAT_NEWLINE, stdout, NULL);
	}
	sd_json_variant_unref(object);
}

int command_check(const struct invocation *invocation) {
	struct findings findings = {.json = invocation->json};
	bool ok = true;
	for (int i = 0; i < invocation->argc; i++) {
		ok = config_check_file(invocation->argv[i], on_error, &findings) && ok;
	}
	if (invocation->argc == 0) {
		ok = check_all(&findings);
	}
	if (invocation->json) {
		print_findings(&findings);
	}
	sd_json_variant_unref(findings.errors);
	sd_json_variant_unref(findings.warnings);
	return ok ? 0 : CTL_FAILED;
}

int command_keys(const struct invocation *invocation) {
	const char *format = invocation->argc > 0 ? invocation->argv[0] : "text";
	if (!config_print_keys(stdout, format)) {
		complain("'%s' is no format, allowed: text, names, scdoc-host or scdoc-guest",
			format);
		return CTL_USAGE;
	}
	return 0;
}
