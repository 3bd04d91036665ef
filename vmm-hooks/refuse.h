#ifndef VMM_HOOKS_REFUSE_H
#define VMM_HOOKS_REFUSE_H

/*
 * Why something cannot be done, for the user: one line, what is wrong and what to do.
 * Stores the line (the caller frees it; NULL without memory) unless ret_reason is NULL,
 * and returns -1, for `return refuse(ret_reason, ...)`.
 */
int refuse(char **ret_reason, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
