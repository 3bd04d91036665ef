#ifndef VMM_HOOKS_WORDS_H
#define VMM_HOOKS_WORDS_H

/*
 * Splits a line into words as a shell does: blanks separate, '...' is literal, "..." and
 * \ quote. Nothing is expanded and no shell runs. Returns 0 and a NULL-terminated array
 * (words_free() it); -EINVAL for a quote without its end, -ENOMEM.
 */
int words_split(const char *line, char ***ret_words);

/* Accepts NULL. */
void words_free(char **words);

#endif
