#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * mullion.ini for the host and guests/NAME.ini for each guest, in
 * $XDG_CONFIG_HOME/mullion, then $XDG_CONFIG_DIRS/mullion (the first directory that has
 * the file wins; guests of the same name likewise). MULLION_CONFIG_DIR names one
 * directory instead. One table (config-keys.c) feeds parsing, `mullionctl check`, the
 * man pages' test and the completions.
 */

#define CONFIG_NAME_MAX 63 // bytes of a guest's name: [a-z0-9][a-z0-9_.-]*
#define CONFIG_GUESTS_MAX 64
#define CONFIG_FILE_MAX (256 * 1024) // bytes
#define CONFIG_VT_COUNT 12
#define CONFIG_GUEST_KEYS 9
#define CONFIG_OUTPUTS_MAX 8
#define CONFIG_OUTPUT_NAME_MAX 31 // bytes, without white space and brackets
#define CONFIG_SCALE 120          // unit of scales, as of wp_fractional_scale_v1

/* A key combination such as Super+Shift+E. */
struct config_binding {
	uint32_t modifiers; // enum config_modifier
	uint32_t keysym;    // xkb keysym without modifiers (lower case); 0: unbound ("none")
};

enum config_modifier { // the bits of wlroots' enum wlr_keyboard_modifier
	CONFIG_MOD_SHIFT = 1 << 0,
	CONFIG_MOD_CTRL = 1 << 2,
	CONFIG_MOD_ALT = 1 << 3,
	CONFIG_MOD_SUPER = 1 << 6,
};

struct config_colour {
	uint8_t red, green, blue;
};

enum config_personality {
	CONFIG_PERSONALITY_VIRTIO_VGA,
	CONFIG_PERSONALITY_VIRTIO_GPU,
	CONFIG_PERSONALITY_BOCHS,
};

enum config_restart {
	CONFIG_RESTART_NEVER,
	CONFIG_RESTART_ON_FAILURE,
	CONFIG_RESTART_ALWAYS,
};

enum config_vmm {
	CONFIG_VMM_QEMU,
	CONFIG_VMM_EXTERNAL,
};

enum config_accel {
	CONFIG_ACCEL_AUTO,
	CONFIG_ACCEL_KVM,
	CONFIG_ACCEL_TCG,
};

enum config_firmware {
	CONFIG_FIRMWARE_UEFI,
	CONFIG_FIRMWARE_BIOS,
};

enum config_network {
	CONFIG_NETWORK_USER,
	CONFIG_NETWORK_NONE,
};

enum config_input {
	CONFIG_INPUT_QMP,
	CONFIG_INPUT_VIRTIO,
};

enum config_filter {
	CONFIG_FILTER_BILINEAR,
	CONFIG_FILTER_NEAREST,
};

/* A screen, by the name that the backend gives it: DP-1, HEADLESS-1, WL-1, ... */
struct config_output {
	char name[CONFIG_OUTPUT_NAME_MAX + 1]; // empty: of no section
	uint32_t width, height;                // pixels; 0: as though there were no section
	uint32_t refresh;                      // mHz; 0: the backend's choice
	uint32_t scale;                        // in CONFIG_SCALE
};

struct config_host {
	// [mullion]
	uint64_t vram; // bytes of the whole pool
	char *log_level;

	// [desktop]
	struct config_colour background;
	char *font;                           // pango description of the titles
	uint32_t border;                      // pixels
	enum config_filter filter;            // of scaled pictures
	char *terminal;                       // command, run by sh; empty for none
	uint32_t output_width, output_height; // headless and nested outputs; 0: the backend's own

	// [keyboard]
	char *keyboard_layout, *keyboard_variant, *keyboard_options; // xkb; empty: its defaults
	uint32_t repeat_rate;                                        // keys a second, 0 off
	uint32_t repeat_delay;                                       // ms

	// [keys]
	struct config_binding key_fullscreen, key_next, key_leave, key_terminal, key_close;
	struct config_binding key_grab;
	struct config_binding key_guest[CONFIG_GUEST_KEYS]; // guest-1 to guest-9
	struct config_binding key_vt[CONFIG_VT_COUNT];      // vt-1 to vt-12
	uint32_t drag_modifier; // enum config_modifier, for dragging and resizing by button

	// [output NAME]
	struct config_output outputs[CONFIG_OUTPUTS_MAX]; // in the order of their sections
};

struct config_guest {
	char *name;      // from the file's name
	char *file;      // its path
	uint32_t number; // from 1, in the order of names

	// [guest]
	char *title; // default: the name
	struct config_colour colour;
	bool autostart;
	uint64_t stop_timeout; // us that each step of stopping may take
	enum config_restart restart;
	bool sandbox; // its processes are shut in

	// [gpu]
	enum config_personality personality;
	uint64_t vram;           // bytes of the slice, a multiple of 4 KiB
	uint64_t aperture;       // bytes, a power of two, at most vram
	uint32_t heads;          // 1 to 16
	uint32_t width, height;  // pixels: preferred mode
	bool follow;             // it is only the first one, the window's size is the next
	uint32_t refresh;        // mHz
	uint32_t hidden_refresh; // mHz, while the guest cannot be seen

	// [machine]
	enum config_vmm vmm;
	char *socket;    // for vmm = external; empty: in the runtime directory
	char *qemu;      // program
	uint64_t memory; // bytes, a multiple of 1 MiB
	uint32_t cpus;
	enum config_accel accel;
	enum config_firmware firmware;
	char *disk, *cdrom, *kernel, *initrd; // absolute paths, empty for none
	char *append;
	enum config_network network;
	enum config_input input;
	char *extra;                   // further QEMU arguments, split as a shell splits words
	char *paths, *read_only_paths; // absolute, separated by colons: what extra needs
};

struct config {
	struct config_host host;
	struct config_guest *guests; // owned, in the order of names
	size_t guests_len;
};

/* Told of each error: "file:line: [section] key: what is wrong, what is allowed". */
typedef void (*config_error_func)(void *data, const char *message);

/*
 * Loads everything, reporting every error of every file. Returns true where there was
 * none; otherwise *ret is untouched. A missing mullion.ini means defaults; no guests is
 * no error. on_error may be NULL.
 */
bool config_load(struct config *ret, config_error_func on_error, void *data);

/* Checks one file: a host's where its name is mullion.ini, else a guest's. */
bool config_check_file(const char *path, config_error_func on_error, void *data);

/* Frees what the configuration holds; safe on a zeroed one. */
void config_finish(struct config *config);

struct config_guest *config_find_guest(const struct config *config, const char *name);

/* An output's, which are the defaults where it has no section. */
struct config_output config_find_output(const struct config_host *host, const char *name);

/* The keys, one line each, in the order of the table: for man pages and completions.
 * format is "text", "names", "scdoc-host" or "scdoc-guest"; false where it is none of them. */
bool config_print_keys(FILE *out, const char *format);

/* Parsers of the units, strict: the whole string or false, *ret then untouched. */
bool config_parse_size(const char *string, uint64_t *ret);      // "512M", "4G", "4096K", "65536"
bool config_parse_frequency(const char *string, uint32_t *ret); // "60Hz", "59.94Hz" -> mHz
bool config_parse_scale(const char *string, uint32_t *ret);     // "1.5" -> CONFIG_SCALE
bool config_parse_duration(const char *string, uint64_t *ret);  // "250ms", "30s", "2min" -> us
bool config_parse_colour(const char *string, struct config_colour *ret); // "#3465a4"
bool config_parse_binding(
	const char *string, struct config_binding *ret);        // "Super+Shift+E", "none"
bool config_parse_modifiers(const char *string, uint32_t *ret); // "Super", "Ctrl+Alt"
bool config_parse_mode(const char *string, uint32_t *ret_width, uint32_t *ret_height); // "1024x768"

#endif
