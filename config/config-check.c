#include "config-check.h"

#include <string.h>

#include <xkbcommon/xkbcommon.h>

bool config_name_allowed(const char *name, size_t length) {
	static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	if (length < 1 || length > CONFIG_NAME_MAX || strchr(first, name[0]) == NULL) {
		return false;
	}
	for (size_t i = 1; i < length; i++) {
		if (name[i] == '\0' ||
			(strchr(first, name[i]) == NULL && strchr("_.-", name[i]) == NULL)) {
			return false;
		}
	}
	return true;
}

static const struct config_key *key_of(
	enum config_scope scope, const char *section, const char *name) {
	uint32_t index;
	return config_key_find(scope, section, name, &index);
}

static const struct config_key *guest_key(const char *section, const char *name) {
	return key_of(CONFIG_SCOPE_GUEST, section, name);
}

static bool is_bad(const struct config_marks *marks, const struct config_key *key) {
	return marks->of[key - config_keys][0].bad;
}

struct bound {
	const struct config_key *key;
	uint32_t index;
	struct config_binding binding;
};

static void check_binding(const struct bound *bound, size_t n, const char *path,
	const struct config_marks *marks, struct config_report *report) {
	const struct bound *last = &bound[n];
	for (size_t i = 0; i < n; i++) {
		if (bound[i].binding.keysym != last->binding.keysym ||
			bound[i].binding.modifiers != last->binding.modifiers) {
			continue;
		}
		// Names the one that was given where the other is a default.
		bool first = marks->of[last->key - config_keys][last->index].line == 0;
		const struct bound *at = first ? &bound[i] : last,
				   *other = first ? last : &bound[i];
		char name[64];
		config_key_name(other->key, other->index, name, sizeof(name));
		config_report_key(report, path, marks, at->key, at->index,
			"is the same as %s, allowed: each combination once", name);
		return;
	}
}

static void check_bindings(const struct config_host *host, const char *path,
	const struct config_marks *marks, struct config_report *report) {
	struct bound bound[64];
	size_t n = 0;
	for (const struct config_key *key = config_keys; key->name != NULL; key++) {
		for (uint32_t i = 0; key->type == CONFIG_BINDING && (i == 0 || i < key->count);
			i++) {
			bound[n] = (struct bound){.key = key,
				.index = i,
				.binding = *(struct config_binding *)config_key_member(
					key, i, (void *)host)};
			if (bound[n].binding.keysym == 0 || marks->of[key - config_keys][i].bad) {
				continue;
			}
			check_binding(bound, n, path, marks, report);
			n++;
		}
	}
}

static bool xkb_knows(struct xkb_context *context, const struct xkb_rule_names *names) {
	struct xkb_keymap *keymap =
		xkb_keymap_new_from_names(context, names, XKB_KEYMAP_COMPILE_NO_FLAGS);
	xkb_keymap_unref(keymap);
	return keymap != NULL;
}

/* Reports the first of the three that makes the keymap impossible. */
static void check_keyboard(const struct config_host *host, const char *path,
	const struct config_marks *marks, struct config_report *report) {
	if (host->keyboard_layout[0] == '\0' && host->keyboard_variant[0] == '\0' &&
		host->keyboard_options[0] == '\0') {
		return;
	}
	struct xkb_context *context = xkb_context_new(XKB_CONTEXT_NO_FLAGS);
	if (context == NULL) {
		return;
	}
	xkb_context_set_log_level(context, XKB_LOG_LEVEL_CRITICAL);
	struct xkb_rule_names names = {.layout = "us"};
	const char *wrong = NULL;
	if (xkb_knows(context, &names)) { // else xkb has no data here, and can judge nothing
		names.layout = host->keyboard_layout[0] != '\0' ? host->keyboard_layout : NULL;
		if (!xkb_knows(context, &names)) {
			wrong = "layout";
		} else if (names.variant = host->keyboard_variant, !xkb_knows(context, &names)) {
			wrong = "variant";
		} else if (names.options = host->keyboard_options, !xkb_knows(context, &names)) {
			wrong = "options";
		}
	}
	if (wrong != NULL) {
		config_report_key(report, path, marks, key_of(CONFIG_SCOPE_HOST, "keyboard", wrong),
			0,
			"makes no keyboard that xkb knows, allowed: names from xkeyboard-config(7)");
	}
	xkb_context_unref(context);
}

void config_check_host(const struct config_host *host, const char *path, struct config_marks *marks,
	struct config_report *report) {
	check_bindings(host, path, marks, report);
	check_keyboard(host, path, marks, report);
}

/* A key that means nothing without, or together with, another. */
static void check_needs(const struct config_guest *guest, const struct config_marks *marks,
	struct config_report *report) {
	static const char *const of_kernel[] = {"initrd", "append"};
	for (size_t i = 0; i < 2 && guest->kernel[0] == '\0'; i++) {
		const struct config_key *key = guest_key("machine", of_kernel[i]);
		const char *value = *(char **)config_key_member(key, 0, (void *)guest);
		if (value[0] != '\0' && !is_bad(marks, guest_key("machine", "kernel"))) {
			config_report_key(report, guest->file, marks, key, 0,
				"is given without kernel, allowed: only together with it");
		}
	}
	if (guest->vmm == CONFIG_VMM_QEMU && guest->socket[0] != '\0' &&
		!is_bad(marks, guest_key("machine", "vmm"))) {
		config_report_key(report, guest->file, marks, guest_key("machine", "socket"), 0,
			"is given for mullion's own QEMU, allowed: only with vmm = external");
	}
}

void config_check_guest(struct config_guest *guest, const struct config_marks *marks,
	struct config_report *report) {
	config_check_gpu(guest, marks, report);
	check_needs(guest, marks, report);
}

/* Whether a window of one of the guest's further heads has this title. */
static bool is_title_of_head(const struct config_guest *guest, const char *title) {
	size_t length = strlen(guest->title);
	for (unsigned head = 2; head <= guest->heads; head++) {
		char number[16];
		snprintf(number, sizeof(number), " %u", head);
		if (strncmp(title, guest->title, length) == 0 &&
			strcmp(title + length, number) == 0) {
			return true;
		}
	}
	return false;
}

static bool titles_are_alike(const struct config_guest *a, const struct config_guest *b) {
	return strcmp(a->title, b->title) == 0 || strcmp(a->name, b->title) == 0 ||
		strcmp(a->title, b->name) == 0 || is_title_of_head(a, b->title) ||
		is_title_of_head(b, a->title);
}

static void check_titles(const struct config *config, const struct config_marks *marks,
	struct config_report *report) {
	for (size_t i = 0; i < config->guests_len; i++) {
		const struct config_guest *guest = &config->guests[i];
		for (size_t j = 0; j < i; j++) {
			const struct config_guest *other = &config->guests[j];
			if (titles_are_alike(guest, other)) {
				config_report_key(report, guest->file, &marks[i],
					guest_key("guest", "title"), 0,
					"'%s' cannot be told from guest %s (%s), allowed: a title of its own",
					guest->title, other->name, other->file);
				break;
			}
		}
	}
}

static void check_pool(const struct config *config, const struct config_marks *marks,
	struct config_report *report) {
	const struct config_key *key = guest_key("gpu", "vram");
	uint64_t used = 0;
	char pool[24], slice[24], sum[24];
	config_format_size(config->host.vram, pool, sizeof(pool));
	for (size_t i = 0; i < config->guests_len; i++) {
		const struct config_guest *guest = &config->guests[i];
		config_format_size(guest->vram, slice, sizeof(slice));
		if (guest->vram > config->host.vram) {
			config_report_key(report, guest->file, &marks[i], key, 0,
				"%s is more than the pool has, allowed: at most %s ([mullion] vram)",
				slice, pool);
			continue;
		}
		used += guest->autostart ? guest->vram : 0; // 64 guests of 1T at most: it fits
		if (guest->autostart && used > config->host.vram) {
			config_format_size(used, sum, sizeof(sum));
			config_report_key(report, guest->file, &marks[i], key, 0,
				"%s makes %s with the guests before it that start by themselves, allowed: %s together ([mullion] vram), or autostart = no",
				slice, sum, pool);
		}
	}
}

void config_check_all(const struct config *config, const struct config_marks *host_marks,
	const struct config_marks *guest_marks, struct config_report *report) {
	check_titles(config, guest_marks, report);
	const struct config_key *pool = key_of(CONFIG_SCOPE_HOST, "mullion", "vram");
	if (!host_marks->of[pool - config_keys][0].bad) {
		check_pool(config, guest_marks, report);
	}
}
