#ifndef TESTS_TREE_H
#define TESTS_TREE_H

#include <ftw.h>
#include <stdio.h>

static inline int tree_remove_one(
	const char *path, const struct stat *status, int type, struct FTW *ftw) {
	return remove(path);
}

/* Removes a folder with all that is in it. Returns 0 or -1. */
static inline int tree_remove(const char *path) {
	return nftw(path, tree_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
