#ifndef COMPOSITOR_POINTER_DEVICE_H
#define COMPOSITOR_POINTER_DEVICE_H

struct pointer;
struct wlr_input_device;
struct wlr_pointer_button_event;

/*
 * A mouse, tablet or touch pad, a machine's or a virtual one. What it holds when it goes is let
 * go: a virtual one says nothing of that.
 */

/* Takes its motion and buttons from now on, until it goes. */
void pointer_device_add(struct pointer *pointer, struct wlr_input_device *wlr);

/* Notes which device holds the button. */
void pointer_device_button(struct pointer *pointer, const struct wlr_pointer_button_event *event);

/* Forgets all devices. */
void pointer_devices_finish(struct pointer *pointer);

#endif
