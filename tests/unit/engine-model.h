#ifndef TESTS_ENGINE_MODEL_H
#define TESTS_ENGINE_MODEL_H

#include "engine-rig.h"

/*
 * The plainest 2D engine there can be, beside the real one: each command is carried out by
 * both, and then answers, records and every byte of every picture are compared. What does not
 * agree ends the process.
 */

#define MODEL_RESOURCES 256 // more than the rig's heap has pages, and blobs, that have none
#define MODEL_APERTURE RIG_PAGE
#define MODEL_HEAP (48 * RIG_PAGE)
#define MODEL_GUEST (64 * RIG_PAGE)

struct model_resource {
	uint32_t id; // 0: none
	uint32_t format, width, height;
	uint8_t *pixels;                      // owned
	bool *changed;                        // owned: of each pixel, since it was last flushed
	struct virtio_gpu_mem_entry *entries; // owned; NULL: no backing
	uint32_t count;
	uint64_t blob; // bytes; 0: it is 2D
	bool copied;   // a blob with a picture
	uint32_t offset;
};

struct engine_model {
	struct engine_rig *rig; // borrowed
	struct model_resource resources[MODEL_RESOURCES];
};

/* On a rig of the sizes above. */
void engine_model_init(struct engine_model *model, struct engine_rig *rig);
void engine_model_finish(struct engine_model *model);

/*
 * Carries out a command; entries are those of an ATTACH_BACKING or a CREATE_BLOB. With dies the process dies
 * before it commits, and another goes on. Returns the answer.
 */
uint32_t engine_model_run(struct engine_model *model, const struct gpu_command *command,
	const struct virtio_gpu_mem_entry *entries, bool dies);

/* A reset of the device. */
void engine_model_clear(struct engine_model *model, bool dies);

/* The device dies between two commands. */
void engine_model_restart(struct engine_model *model);

/* Compares all that there is. */
void engine_model_check(struct engine_model *model);

#endif
