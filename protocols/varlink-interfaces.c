#include "varlink-interfaces.h"

static SD_VARLINK_DEFINE_ENUM_TYPE(GuestState, SD_VARLINK_DEFINE_ENUM_VALUE(off),
	SD_VARLINK_DEFINE_ENUM_VALUE(starting), SD_VARLINK_DEFINE_ENUM_VALUE(running),
	SD_VARLINK_DEFINE_ENUM_VALUE(stopping),
	SD_VARLINK_FIELD_COMMENT("It ended otherwise than asked for; 'reason' says how"),
	SD_VARLINK_DEFINE_ENUM_VALUE(failed));

static SD_VARLINK_DEFINE_STRUCT_TYPE(Guest,
	SD_VARLINK_FIELD_COMMENT("The name of its file, guests/NAME.ini"),
	SD_VARLINK_DEFINE_FIELD(name, SD_VARLINK_STRING, 0),
	SD_VARLINK_FIELD_COMMENT("Number in the resource table, from 1, in the order of names"),
	SD_VARLINK_DEFINE_FIELD(number, SD_VARLINK_INT, 0),
	SD_VARLINK_FIELD_COMMENT("What its window is labelled with"),
	SD_VARLINK_DEFINE_FIELD(title, SD_VARLINK_STRING, 0),
	SD_VARLINK_FIELD_COMMENT("Of its border and title, #rrggbb"),
	SD_VARLINK_DEFINE_FIELD(colour, SD_VARLINK_STRING, 0),
	SD_VARLINK_DEFINE_FIELD_BY_TYPE(state, GuestState, 0),
	SD_VARLINK_FIELD_COMMENT("Why it failed or was refused, one line"),
	SD_VARLINK_DEFINE_FIELD(reason, SD_VARLINK_STRING, SD_VARLINK_NULLABLE),
	SD_VARLINK_FIELD_COMMENT("A VMM is connected to its GPU"),
	SD_VARLINK_DEFINE_FIELD(connected, SD_VARLINK_BOOL, 0),
	SD_VARLINK_FIELD_COMMENT("'qemu' or 'external'"),
	SD_VARLINK_DEFINE_FIELD(vmm, SD_VARLINK_STRING, 0),
	SD_VARLINK_FIELD_COMMENT("Where a VMM connects to the GPU"),
	SD_VARLINK_DEFINE_FIELD(socket, SD_VARLINK_STRING, SD_VARLINK_NULLABLE),
	SD_VARLINK_FIELD_COMMENT("The card that it sees: 'virtio-vga', 'virtio-gpu' or 'bochs'"),
	SD_VARLINK_DEFINE_FIELD(personality, SD_VARLINK_STRING, 0),
	SD_VARLINK_FIELD_COMMENT("Its monitors"),
	SD_VARLINK_DEFINE_FIELD(heads, SD_VARLINK_INT, SD_VARLINK_NULLABLE),
	SD_VARLINK_FIELD_COMMENT("'kvm' or 'tcg', what is really used"),
	SD_VARLINK_DEFINE_FIELD(accel, SD_VARLINK_STRING, SD_VARLINK_NULLABLE),
	SD_VARLINK_DEFINE_FIELD(devicePid, SD_VARLINK_INT, SD_VARLINK_NULLABLE),
	SD_VARLINK_FIELD_COMMENT("Times that its GPU process was replaced since the guest started"),
	SD_VARLINK_DEFINE_FIELD(deviceRestarts, SD_VARLINK_INT, SD_VARLINK_NULLABLE),
	SD_VARLINK_DEFINE_FIELD(vmmPid, SD_VARLINK_INT, SD_VARLINK_NULLABLE),
	SD_VARLINK_FIELD_COMMENT("Bytes of guest memory"),
	SD_VARLINK_DEFINE_FIELD(memory, SD_VARLINK_INT, SD_VARLINK_NULLABLE),
	SD_VARLINK_FIELD_COMMENT("The slice in the VRAM map; absent while it has none"),
	SD_VARLINK_DEFINE_FIELD(sliceBase, SD_VARLINK_INT, SD_VARLINK_NULLABLE),
	SD_VARLINK_DEFINE_FIELD(sliceLimit, SD_VARLINK_INT, SD_VARLINK_NULLABLE),
	SD_VARLINK_FIELD_COMMENT(
		"The slice's heap, what of it the guest's pictures take, and how many these are; "
		"in the reply of Status, where it has one"),
	SD_VARLINK_DEFINE_FIELD(heapSize, SD_VARLINK_INT, SD_VARLINK_NULLABLE),
	SD_VARLINK_DEFINE_FIELD(heapUsed, SD_VARLINK_INT, SD_VARLINK_NULLABLE),
	SD_VARLINK_DEFINE_FIELD(resources, SD_VARLINK_INT, SD_VARLINK_NULLABLE),
	SD_VARLINK_FIELD_COMMENT("A display is attached: the compositor shows it"),
	SD_VARLINK_DEFINE_FIELD(shown, SD_VARLINK_BOOL, 0),
	SD_VARLINK_FIELD_COMMENT(
		"Its processes are shut in; false where its file has 'sandbox = off'"),
	SD_VARLINK_DEFINE_FIELD(sandbox, SD_VARLINK_BOOL, 0),
	SD_VARLINK_FIELD_COMMENT(
		"Layers in force, as read from the kernel: 'gpu: seccomp', 'vmm: own root', ...; "
		"in the reply of Status, for each process that runs"),
	SD_VARLINK_DEFINE_FIELD(layers, SD_VARLINK_STRING, SD_VARLINK_ARRAY | SD_VARLINK_NULLABLE));

static SD_VARLINK_DEFINE_STRUCT_TYPE(Segment,
	SD_VARLINK_FIELD_COMMENT("Guest-physical address as the guest programmed the BAR, or null"),
	SD_VARLINK_DEFINE_FIELD(guestAddress, SD_VARLINK_INT, SD_VARLINK_NULLABLE),
	SD_VARLINK_DEFINE_FIELD(bar, SD_VARLINK_INT, 0),
	SD_VARLINK_DEFINE_FIELD(size, SD_VARLINK_INT, 0),
	SD_VARLINK_FIELD_COMMENT("Address in the VRAM map; null where accesses trap"),
	SD_VARLINK_DEFINE_FIELD(machineAddress, SD_VARLINK_INT, SD_VARLINK_NULLABLE));

static SD_VARLINK_DEFINE_STRUCT_TYPE(TableRow, SD_VARLINK_DEFINE_FIELD(guest, SD_VARLINK_STRING, 0),
	SD_VARLINK_DEFINE_FIELD(number, SD_VARLINK_INT, 0),
	SD_VARLINK_FIELD_COMMENT(
		"In the guest, as bus:slot.function; null where the VMM does not tell"),
	SD_VARLINK_DEFINE_FIELD(pciAddress, SD_VARLINK_STRING, SD_VARLINK_NULLABLE),
	SD_VARLINK_DEFINE_FIELD_BY_TYPE(segments, Segment, SD_VARLINK_ARRAY),
	SD_VARLINK_FIELD_COMMENT("'intx', 'msix' or 'none', as the guest set it up"),
	SD_VARLINK_DEFINE_FIELD(guestInterrupt, SD_VARLINK_STRING, 0),
	SD_VARLINK_FIELD_COMMENT("INTx line, or the number of MSI-X vectors in use"),
	SD_VARLINK_DEFINE_FIELD(guestVector, SD_VARLINK_INT, SD_VARLINK_NULLABLE),
	SD_VARLINK_DEFINE_FIELD(machineBase, SD_VARLINK_INT, 0),
	SD_VARLINK_DEFINE_FIELD(machineLimit, SD_VARLINK_INT, 0),
	SD_VARLINK_FIELD_COMMENT("What raises it on this machine: 'eventfd', or null"),
	SD_VARLINK_DEFINE_FIELD(machineInterrupt, SD_VARLINK_STRING, SD_VARLINK_NULLABLE));

static SD_VARLINK_DEFINE_STRUCT_TYPE(Slice, SD_VARLINK_DEFINE_FIELD(guest, SD_VARLINK_STRING, 0),
	SD_VARLINK_DEFINE_FIELD(base, SD_VARLINK_INT, 0),
	SD_VARLINK_DEFINE_FIELD(limit, SD_VARLINK_INT, 0),
	SD_VARLINK_FIELD_COMMENT("At the start of the slice: what BAR0 shows"),
	SD_VARLINK_DEFINE_FIELD(aperture, SD_VARLINK_INT, 0));

static SD_VARLINK_DEFINE_STRUCT_TYPE(TrapCount,
	SD_VARLINK_FIELD_COMMENT("'mode-set', 'dispi-read', ..."),
	SD_VARLINK_DEFINE_FIELD(trap, SD_VARLINK_STRING, 0),
	SD_VARLINK_DEFINE_FIELD(privileged, SD_VARLINK_BOOL, 0),
	SD_VARLINK_DEFINE_FIELD(count, SD_VARLINK_INT, 0));

static SD_VARLINK_DEFINE_METHOD_FULL(List, SD_VARLINK_SUPPORTS_MORE,
	SD_VARLINK_DEFINE_OUTPUT_BY_TYPE(guests, Guest, SD_VARLINK_ARRAY));

static SD_VARLINK_DEFINE_METHOD(Status, SD_VARLINK_DEFINE_INPUT(name, SD_VARLINK_STRING, 0),
	SD_VARLINK_DEFINE_OUTPUT_BY_TYPE(guest, Guest, 0));

static SD_VARLINK_DEFINE_METHOD(Start, SD_VARLINK_DEFINE_INPUT(name, SD_VARLINK_STRING, 0));

static SD_VARLINK_DEFINE_METHOD(Stop, SD_VARLINK_DEFINE_INPUT(name, SD_VARLINK_STRING, 0));

static SD_VARLINK_DEFINE_METHOD(Kill, SD_VARLINK_DEFINE_INPUT(name, SD_VARLINK_STRING, 0));

static SD_VARLINK_DEFINE_METHOD(
	Table, SD_VARLINK_DEFINE_OUTPUT_BY_TYPE(rows, TableRow, SD_VARLINK_ARRAY));

static SD_VARLINK_DEFINE_METHOD(Vram, SD_VARLINK_DEFINE_OUTPUT(size, SD_VARLINK_INT, 0),
	SD_VARLINK_DEFINE_OUTPUT(free, SD_VARLINK_INT, 0),
	SD_VARLINK_DEFINE_OUTPUT_BY_TYPE(slices, Slice, SD_VARLINK_ARRAY));

static SD_VARLINK_DEFINE_METHOD(Traps, SD_VARLINK_DEFINE_INPUT(name, SD_VARLINK_STRING, 0),
	SD_VARLINK_DEFINE_OUTPUT_BY_TYPE(traps, TrapCount, SD_VARLINK_ARRAY),
	SD_VARLINK_FIELD_COMMENT("Of its keyboard, tablet, mouse and touch screen together; null "
				 "where the GPU's process serves none"),
	SD_VARLINK_DEFINE_OUTPUT_BY_TYPE(
		inputTraps, TrapCount, SD_VARLINK_ARRAY | SD_VARLINK_NULLABLE),
	SD_VARLINK_FIELD_COMMENT("When they were read, CLOCK_MONOTONIC in microseconds"),
	SD_VARLINK_DEFINE_OUTPUT(time, SD_VARLINK_INT, SD_VARLINK_NULLABLE),
	SD_VARLINK_FIELD_COMMENT(
		"Times the aperture was compared, and frames given to the compositor"),
	SD_VARLINK_DEFINE_OUTPUT(looks, SD_VARLINK_INT, 0),
	SD_VARLINK_DEFINE_OUTPUT(commits, SD_VARLINK_INT, 0),
	SD_VARLINK_DEFINE_OUTPUT(resets, SD_VARLINK_INT, 0));

static SD_VARLINK_DEFINE_METHOD(Present, SD_VARLINK_DEFINE_INPUT(name, SD_VARLINK_STRING, 0));

static SD_VARLINK_DEFINE_METHOD(Shutdown);

static SD_VARLINK_DEFINE_ERROR(NoSuchGuest, SD_VARLINK_DEFINE_FIELD(name, SD_VARLINK_STRING, 0));

static SD_VARLINK_DEFINE_ERROR(Refused,
	SD_VARLINK_FIELD_COMMENT("One line: what is wrong, and what to do"),
	SD_VARLINK_DEFINE_FIELD(reason, SD_VARLINK_STRING, 0));

SD_VARLINK_DEFINE_INTERFACE(host, HOST_INTERFACE,
	SD_VARLINK_INTERFACE_COMMENT("mullion's graphics VMM: guests, VRAM map, resource table"),
	&vl_type_GuestState, &vl_type_Guest, &vl_type_Segment, &vl_type_TableRow, &vl_type_Slice,
	&vl_type_TrapCount,
	SD_VARLINK_SYMBOL_COMMENT("All guests. With 'more', again at each change of any of them"),
	&vl_method_List, &vl_method_Status,
	SD_VARLINK_SYMBOL_COMMENT("Answers when the guest runs, or says why it cannot"),
	&vl_method_Start,
	SD_VARLINK_SYMBOL_COMMENT(
		"ACPI power-down, then quit, then kill, with time-outs; answers at once"),
	&vl_method_Stop,
	SD_VARLINK_SYMBOL_COMMENT("Ends the guest's processes at once; answers when they are gone"),
	&vl_method_Kill,
	SD_VARLINK_SYMBOL_COMMENT(
		"The resource table: which guest resource stands for which of the machine"),
	&vl_method_Table, SD_VARLINK_SYMBOL_COMMENT("The VRAM map"), &vl_method_Vram,
	SD_VARLINK_SYMBOL_COMMENT(
		"How often the guest trapped, by what for, since its device was made"),
	&vl_method_Traps,
	SD_VARLINK_SYMBOL_COMMENT(
		"For the compositor. One descriptor comes along: a connected Wayland socket on which the guest's device shows itself"),
	&vl_method_Present,
	SD_VARLINK_SYMBOL_COMMENT(
		"Stops all guests in order and ends the daemon; answers when they are off"),
	&vl_method_Shutdown, &vl_error_NoSuchGuest, &vl_error_Refused);

#define INPUT_HEAD                                                                                 \
	SD_VARLINK_FIELD_COMMENT("Which of the guest's heads, from 1; the first where absent"),    \
		SD_VARLINK_DEFINE_INPUT(head, SD_VARLINK_INT, SD_VARLINK_NULLABLE)

static SD_VARLINK_DEFINE_STRUCT_TYPE(Window, SD_VARLINK_DEFINE_FIELD(guest, SD_VARLINK_STRING, 0),
	SD_VARLINK_FIELD_COMMENT("Which of the guest's heads it shows, from 1"),
	SD_VARLINK_DEFINE_FIELD(head, SD_VARLINK_INT, 0),
	SD_VARLINK_FIELD_COMMENT("Place of the picture, without border and title"),
	SD_VARLINK_DEFINE_FIELD(x, SD_VARLINK_INT, 0),
	SD_VARLINK_DEFINE_FIELD(y, SD_VARLINK_INT, 0),
	SD_VARLINK_FIELD_COMMENT("Size of the picture as shown"),
	SD_VARLINK_DEFINE_FIELD(width, SD_VARLINK_INT, 0),
	SD_VARLINK_DEFINE_FIELD(height, SD_VARLINK_INT, 0),
	SD_VARLINK_FIELD_COMMENT("Size of the guest's own mode; 0 while it has shown nothing"),
	SD_VARLINK_DEFINE_FIELD(modeWidth, SD_VARLINK_INT, 0),
	SD_VARLINK_DEFINE_FIELD(modeHeight, SD_VARLINK_INT, 0),
	SD_VARLINK_FIELD_COMMENT("Place in the stack, 0 is the front"),
	SD_VARLINK_DEFINE_FIELD(stack, SD_VARLINK_INT, 0),
	SD_VARLINK_DEFINE_FIELD(focused, SD_VARLINK_BOOL, 0),
	SD_VARLINK_DEFINE_FIELD(fullscreen, SD_VARLINK_BOOL, 0),
	SD_VARLINK_FIELD_COMMENT("Frames that the guest has had shown"),
	SD_VARLINK_DEFINE_FIELD(frames, SD_VARLINK_INT, 0),
	SD_VARLINK_FIELD_COMMENT(
		"Frames of a screen that were the guest's own memory, scanned out without being composed"),
	SD_VARLINK_DEFINE_FIELD(direct, SD_VARLINK_INT, 0));

static SD_VARLINK_DEFINE_METHOD_FULL(Windows, SD_VARLINK_SUPPORTS_MORE,
	SD_VARLINK_DEFINE_OUTPUT_BY_TYPE(windows, Window, SD_VARLINK_ARRAY));

static SD_VARLINK_DEFINE_METHOD(Screenshot,
	SD_VARLINK_FIELD_COMMENT("A guest's own picture, unscaled; the whole session where absent"),
	SD_VARLINK_DEFINE_INPUT(name, SD_VARLINK_STRING, SD_VARLINK_NULLABLE), INPUT_HEAD,
	SD_VARLINK_DEFINE_OUTPUT(width, SD_VARLINK_INT, 0),
	SD_VARLINK_DEFINE_OUTPUT(height, SD_VARLINK_INT, 0),
	SD_VARLINK_DEFINE_OUTPUT(stride, SD_VARLINK_INT, 0));

static SD_VARLINK_DEFINE_METHOD(
	Focus, SD_VARLINK_DEFINE_INPUT(name, SD_VARLINK_STRING, 0), INPUT_HEAD);

static SD_VARLINK_DEFINE_METHOD(Fullscreen,
	SD_VARLINK_DEFINE_INPUT(name, SD_VARLINK_STRING, SD_VARLINK_NULLABLE), INPUT_HEAD);

static SD_VARLINK_DEFINE_METHOD(Move, SD_VARLINK_DEFINE_INPUT(name, SD_VARLINK_STRING, 0),
	INPUT_HEAD, SD_VARLINK_DEFINE_INPUT(x, SD_VARLINK_INT, 0),
	SD_VARLINK_DEFINE_INPUT(y, SD_VARLINK_INT, 0));

static SD_VARLINK_DEFINE_METHOD(Resize, SD_VARLINK_DEFINE_INPUT(name, SD_VARLINK_STRING, 0),
	INPUT_HEAD, SD_VARLINK_DEFINE_INPUT(width, SD_VARLINK_INT, 0),
	SD_VARLINK_DEFINE_INPUT(height, SD_VARLINK_INT, 0));

static SD_VARLINK_DEFINE_METHOD(Leave);

SD_VARLINK_DEFINE_INTERFACE(desktop, DESKTOP_INTERFACE,
	SD_VARLINK_INTERFACE_COMMENT("mullion's compositor: the guests' windows"), &vl_type_Window,
	SD_VARLINK_SYMBOL_COMMENT(
		"All guests' windows. With 'more', again when one appears, goes, moves, or shows its first frame"),
	&vl_method_Windows,
	SD_VARLINK_SYMBOL_COMMENT(
		"A descriptor comes back: a sealed memfd of 'height' rows of 'stride' bytes, each pixel little-endian XRGB8888"),
	&vl_method_Screenshot, &vl_method_Focus,
	SD_VARLINK_SYMBOL_COMMENT(
		"One guest alone on the screen, or, without a name, windows again"),
	&vl_method_Fullscreen, SD_VARLINK_SYMBOL_COMMENT("Puts the top left corner of the picture"),
	&vl_method_Move, SD_VARLINK_SYMBOL_COMMENT("Shows the picture in this size"),
	&vl_method_Resize, SD_VARLINK_SYMBOL_COMMENT("Ends the session, as its key does"),
	&vl_method_Leave, &vl_error_NoSuchGuest, &vl_error_Refused);
