#ifndef COMPOSITOR_SOFTWARE_RENDERER_H
#define COMPOSITOR_SOFTWARE_RENDERER_H

struct wlr_renderer;

/*
 * What draws without a GPU: wlroots' pixman renderer, but that pixels which only have to be
 * copied, as those of a guest's picture in its own size, are copied by copy_rect(). What
 * comes out is the same, pixel by pixel.
 *
 * Takes a pixman renderer, which ends with the one that is returned; destroy that with
 * wlr_renderer_destroy(). Returns NULL without memory; pixman is the caller's then.
 */
struct wlr_renderer *software_renderer_create(struct wlr_renderer *pixman);

#endif
