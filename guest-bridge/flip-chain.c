#include "flip-chain.h"

#include <string.h>

bool flip_chain_show(struct flip_chain *chain, uint32_t resource) {
	size_t at = 0;
	while (at < chain->len && chain->resources[at] != resource) {
		at++;
	}
	bool known = at < chain->len;
	if (!known && chain->len < FLIP_CHAIN_MAX) {
		chain->len++;
	}
	size_t moved = known ? at : chain->len - 1;
	memmove(&chain->resources[1], &chain->resources[0], moved * sizeof(chain->resources[0]));
	chain->resources[0] = resource;
	return known;
}

void flip_chain_drop(struct flip_chain *chain, uint32_t resource) {
	size_t left = 0;
	for (size_t i = 0; i < chain->len; i++) {
		if (chain->resources[i] != resource) {
			chain->resources[left++] = chain->resources[i];
		}
	}
	chain->len = left;
}

void flip_chain_forget(struct flip_chain *chain) {
	chain->len = 0;
}

void flip_chain_note(const struct flip_chain *chain, struct resources *resources,
	const struct damage_boxes *boxes) {
	for (size_t i = 1; i < chain->len; i++) {
		resources_note(resources, chain->resources[i], boxes);
	}
}
