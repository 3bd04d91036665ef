#include "config-keys.h"

#include <stddef.h>

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)
#define TIB (UINT64_C(1) << 40)

#define HOST(section_, name_, type_, member_)                                                      \
	.scope = CONFIG_SCOPE_HOST, .section = section_, .name = name_, .type = type_,             \
	.offset = offsetof(struct config_host, member_)
#define NUMBERED(section_, name_, type_, member_, count_)                                          \
	HOST(section_, name_, type_, member_), .count = count_,                                    \
		.stride = sizeof(((struct config_host *)NULL)->member_[0])
#define OUTPUT(name_, type_, member_)                                                              \
	HOST("output NAME", name_, type_, outputs[0].member_), .count = CONFIG_OUTPUTS_MAX,        \
		.stride = sizeof(struct config_output)
#define GUEST(section_, name_, type_, member_)                                                     \
	.scope = CONFIG_SCOPE_GUEST, .section = section_, .name = name_, .type = type_,            \
	.offset = offsetof(struct config_guest, member_)
#define CHOICES(...)                                                                               \
	.choices = (const char *const[]) {                                                         \
		__VA_ARGS__, NULL                                                                  \
	}

/* clang-format off */
const struct config_key config_keys[] = {
	{HOST("mullion", "vram", CONFIG_SIZE, vram),
		.min = 4 * MIB, .max = 16 * TIB, .step = 4 * KIB, .fallback = "1G",
		.help = "The whole pool of video memory, of which every guest gets its slice."},
	{HOST("mullion", "log-level", CONFIG_WORD, log_level),
		CHOICES("error", "warning", "info", "debug"), .fallback = "info",
		.help = "How much is logged. The variable MULLION_LOG overrides it."},

	{HOST("desktop", "background", CONFIG_COLOUR, background),
		.fallback = "#2e3436",
		.help = "Behind the windows."},
	{HOST("desktop", "font", CONFIG_TEXT, font),
		.min = 1, .max = 128, .fallback = "DejaVu Sans 10",
		.help = "Of the titles, as pango describes fonts: family, style and size."},
	{HOST("desktop", "border", CONFIG_NUMBER, border),
		.min = 1, .max = 64, .fallback = "4",
		.help = "Width in pixels of the border that carries a guest's colour."},
	{HOST("desktop", "filter", CONFIG_CHOICE, filter),
		CHOICES("bilinear", "nearest"), .fallback = "bilinear",
		.help = "How a picture is scaled that is not shown in its own size."},
	{HOST("desktop", "terminal", CONFIG_TEXT, terminal),
		.max = 1024, .fallback = "foot",
		.help = "The command of the terminal key, run by sh. Empty for none."},
	{HOST("desktop", "output", CONFIG_MODE, output_width),
		.min = 64, .max = 16384, .automatic = "auto", .fallback = "auto",
		.help = "Size of the screen where mullion runs headless or in a window; auto leaves it to the backend."},

	{HOST("keyboard", "layout", CONFIG_TEXT, keyboard_layout),
		.max = 128, .fallback = "",
		.help = "Layout as xkb names it, such as de or us,ru. Empty for the system's default."},
	{HOST("keyboard", "variant", CONFIG_TEXT, keyboard_variant),
		.max = 128, .fallback = "",
		.help = "Variant of the layout, such as nodeadkeys."},
	{HOST("keyboard", "options", CONFIG_TEXT, keyboard_options),
		.max = 256, .fallback = "",
		.help = "Options of xkb, such as compose:ralt."},
	{HOST("keyboard", "repeat-rate", CONFIG_NUMBER, repeat_rate),
		.max = 200, .fallback = "25",
		.help = "Repeats of a held key in a second; 0 for none."},
	{HOST("keyboard", "repeat-delay", CONFIG_NUMBER, repeat_delay),
		.min = 50, .max = 5000, .fallback = "600",
		.help = "Milliseconds until a held key repeats."},

	{HOST("keys", "fullscreen", CONFIG_BINDING, key_fullscreen),
		.fallback = "Super+F",
		.help = "The focused guest alone on the screen, and back."},
	{HOST("keys", "next", CONFIG_BINDING, key_next),
		.fallback = "Super+Tab",
		.help = "Focus the next window."},
	{HOST("keys", "leave", CONFIG_BINDING, key_leave),
		.fallback = "Super+Shift+E",
		.help = "Leave the session."},
	{HOST("keys", "terminal", CONFIG_BINDING, key_terminal),
		.fallback = "Super+Return",
		.help = "Run the terminal of [desktop]."},
	{HOST("keys", "close", CONFIG_BINDING, key_close),
		.fallback = "Super+Shift+Q",
		.help = "Close the focused window; a guest is told to power down."},
	{HOST("keys", "grab", CONFIG_BINDING, key_grab),
		.fallback = "Super+G",
		.help = "Lock the pointer to the focused guest, as games want it, and free it."},
	{NUMBERED("keys", "guest-N", CONFIG_BINDING, key_guest, CONFIG_GUEST_KEYS),
		.fallback = "Super+N",
		.help = "Focus the guest of that number."},
	{NUMBERED("keys", "vt-N", CONFIG_BINDING, key_vt, CONFIG_VT_COUNT),
		.fallback = "Ctrl+Alt+FN",
		.help = "Go to that virtual terminal."},
	{HOST("keys", "drag", CONFIG_MODIFIERS, drag_modifier),
		.fallback = "Super",
		.help = "Held while the left button drags a window and the right button resizes it."},

	{OUTPUT("size", CONFIG_MODE, width),
		.min = 64, .max = 16384, .automatic = "auto", .fallback = "auto",
		.help = "The mode of a screen, by the name that wlroots gives it: DP-1 or eDP-1, WL-1 for a window, HEADLESS-1. auto is the one that the screen prefers, or what output of [desktop] says."},
	{OUTPUT("refresh", CONFIG_FREQUENCY, refresh),
		.min = 1000, .max = 500000, .automatic = "auto", .fallback = "auto",
		.help = "Refresh rate of that mode; auto is the highest, or 60Hz where mullion runs headless."},
	{OUTPUT("scale", CONFIG_FACTOR, scale),
		.min = CONFIG_SCALE / 2, .max = 8 * CONFIG_SCALE, .fallback = "1",
		.help = "How large everything is drawn on it. Guests still get every pixel: their modes grow, and their monitors' density. Steps are of 1/120."},

	{GUEST("guest", "title", CONFIG_TEXT, title),
		.max = 64, .fallback = "",
		.help = "The label of its window. Empty for the guest's name."},
	{GUEST("guest", "colour", CONFIG_COLOUR, colour),
		.automatic = "auto", .fallback = "auto",
		.help = "Of its border and title; auto takes one from a palette by the guest's number."},
	{GUEST("guest", "autostart", CONFIG_BOOL, autostart),
		.fallback = "no",
		.help = "Start it when the session starts."},
	{GUEST("guest", "stop-timeout", CONFIG_DURATION, stop_timeout),
		.min = 100000, .max = UINT64_C(3600000000), .fallback = "30s",
		.help = "How long each step of stopping may take: power-down, quit, kill."},
	{GUEST("guest", "restart", CONFIG_CHOICE, restart),
		CHOICES("never", "on-failure", "always"), .fallback = "never",
		.help = "Whether a guest that ran and ended by itself is started again: where something failed, or also after it powered itself off. What keeps ending is started more and more slowly, and after 20 times within a minute no more."},
	{GUEST("guest", "sandbox", CONFIG_BOOL, sandbox),
		.fallback = "on",
		.help = "Shut its processes in: its GPU's into nothing, its QEMU into its own files. Without it, whoever breaks out of the guest has all rights of the user."},

	{GUEST("gpu", "personality", CONFIG_CHOICE, personality),
		CHOICES("virtio-vga", "virtio-gpu", "bochs"), .fallback = "virtio-vga",
		.help = "The graphics card that the guest sees: virtio-vga for firmware and the system alike, virtio-gpu without what firmware and simple drivers need, bochs with nothing else."},
	{GUEST("gpu", "vram", CONFIG_SIZE, vram),
		.min = MIB, .max = TIB, .step = 4 * KIB, .fallback = "64M",
		.help = "The guest's slice of the pool: the aperture, and behind it the heap in which the guest's pictures lie."},
	{GUEST("gpu", "aperture", CONFIG_SIZE, aperture),
		.min = MIB, .max = 256 * MIB, .automatic = "auto", .fallback = "auto",
		.help = "The start of the slice that the guest's CPU can reach, a power of two. auto is 16M, more where the size needs it, and at most half of the slice; for bochs, which has no heap, as much of the slice as can be."},
	{GUEST("gpu", "heads", CONFIG_NUMBER, heads),
		.min = 1, .max = 16, .fallback = "1",
		.help = "How many monitors the guest has, each a window of its own; 1 for bochs."},
	{GUEST("gpu", "size", CONFIG_MODE, width),
		.min = 64, .max = 16384, .automatic = "follow", .fallback = "follow",
		.help = "The mode that the guest's monitor prefers. follow begins with 1024x768, and then asks the guest for the size that its window has; bochs cannot be asked, and stays."},
	{GUEST("gpu", "refresh", CONFIG_FREQUENCY, refresh),
		.min = 1000, .max = 500000, .fallback = "60Hz",
		.help = "Refresh rate of that mode."},
	{GUEST("gpu", "hidden-refresh", CONFIG_FREQUENCY, hidden_refresh),
		.min = 100, .max = 60000, .fallback = "1Hz",
		.help = "How often a guest that nobody can see gets a frame."},

	{GUEST("machine", "vmm", CONFIG_CHOICE, vmm),
		CHOICES("qemu", "external"), .fallback = "qemu",
		.help = "Who runs the machine: a QEMU that mullion starts, or any vfio-user VMM that connects to the socket."},
	{GUEST("machine", "socket", CONFIG_PATH, socket),
		.max = 107, .fallback = "",
		.help = "Where an external VMM connects. Empty for a place in mullion's runtime directory, which mullionctl status shows. The functions of input = virtio listen beside it: at this path with -keyboard, -tablet, -mouse and -touch behind it."},
	{GUEST("machine", "qemu", CONFIG_PROGRAM, qemu),
		.min = 1, .max = 4095, .fallback = "qemu-system-x86_64",
		.help = "The QEMU to run, 10.1 or newer."},
	{GUEST("machine", "memory", CONFIG_SIZE, memory),
		.min = 16 * MIB, .max = 16 * TIB, .step = MIB, .fallback = "2G",
		.help = "Memory of the guest."},
	{GUEST("machine", "cpus", CONFIG_NUMBER, cpus),
		.min = 1, .max = 256, .fallback = "2",
		.help = "Processors of the guest."},
	{GUEST("machine", "accel", CONFIG_CHOICE, accel),
		CHOICES("auto", "kvm", "tcg"), .fallback = "auto",
		.help = "How the guest's code runs; auto takes KVM where the processor can, else QEMU's translator."},
	{GUEST("machine", "firmware", CONFIG_CHOICE, firmware),
		CHOICES("uefi", "bios"), .fallback = "uefi",
		.help = "What boots the guest."},
	{GUEST("machine", "disk", CONFIG_PATH, disk),
		.max = 4095, .fallback = "",
		.help = "Image of its disk, raw or qcow2. Empty for none."},
	{GUEST("machine", "cdrom", CONFIG_PATH, cdrom),
		.max = 4095, .fallback = "",
		.help = "Image of a CD or DVD. Empty for none."},
	{GUEST("machine", "kernel", CONFIG_PATH, kernel),
		.max = 4095, .fallback = "",
		.help = "A Linux kernel to boot without a boot loader. Empty for none."},
	{GUEST("machine", "initrd", CONFIG_PATH, initrd),
		.max = 4095, .fallback = "",
		.help = "The kernel's initial file system; needs kernel."},
	{GUEST("machine", "append", CONFIG_TEXT, append),
		.max = 2047, .fallback = "",
		.help = "The kernel's command line; needs kernel."},
	{GUEST("machine", "network", CONFIG_CHOICE, network),
		CHOICES("user", "none"), .fallback = "user",
		.help = "user reaches out through the host, and nobody reaches in; none has no network card."},
	{GUEST("machine", "input", CONFIG_CHOICE, input),
		CHOICES("qmp", "virtio"), .fallback = "virtio",
		.help = "How keys and pointer reach the guest: virtio as those of virtio-input's keyboard, tablet, mouse and touch screen, for as long as the guest's drivers of them run, and otherwise as with qmp; qmp always as those of a PS/2 keyboard and a USB tablet or mouse, which everything knows. virtio takes less time, loses no key however fast one types, and is what touch needs."},
	{GUEST("machine", "extra", CONFIG_ARGUMENTS, extra),
		.max = 4095, .fallback = "",
		.help = "Further arguments for QEMU, split into words as a shell does it, without expansion."},
	{GUEST("machine", "paths", CONFIG_PATHS, paths),
		.max = 4095, .fallback = "",
		.help = "Files and folders that extra names, separated by colons: its QEMU can reach and change them in its sandbox. They must be there before the guest starts."},
	{GUEST("machine", "read-only-paths", CONFIG_PATHS, read_only_paths),
		.max = 4095, .fallback = "",
		.help = "Likewise, without changing them: the backing file of a disk, for example."},
	{0},
};
/* clang-format on */

_Static_assert(
	sizeof(config_keys) / sizeof(config_keys[0]) <= CONFIG_KEYS_MAX, "raise CONFIG_KEYS_MAX");
_Static_assert(sizeof(enum config_vmm) == sizeof(unsigned), "CONFIG_CHOICE stores an unsigned");
_Static_assert(offsetof(struct config_host, output_height) ==
			offsetof(struct config_host, output_width) + sizeof(uint32_t) &&
		offsetof(struct config_guest, height) ==
			offsetof(struct config_guest, width) + sizeof(uint32_t) &&
		offsetof(struct config_output, height) ==
			offsetof(struct config_output, width) + sizeof(uint32_t),
	"CONFIG_MODE stores two numbers in a row");
