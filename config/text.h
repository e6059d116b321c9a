/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Inside of config/: what is checked on the text of a document, before and after the JSON library
 * reads it.
 */
#ifndef CONFIG_TEXT_H
#define CONFIG_TEXT_H

#include "config/message.h"

/*
 * Overwrites comments (and a byte order mark) with blanks, keeping every line where it is, and
 * finds the mistakes that people make and the JSON library would report in other words or another
 * line. False: an error was added.
 */
bool config_text_clean(char *text, size_t len, struct config_errors *errs);

/* The line, from 1, of offset @at. */
uint32_t config_text_line(const char *text, size_t at);

/*
 * Both take text that the JSON library accepted in strict mode, no deeper than CONFIG_MAX_DEPTH.
 * _members() adds an error for a name given twice in one object and for objects with too many
 * members: the library keeps the last of equal names silently. _lines() gives each message without
 * a line that of its path.
 */
void config_text_members(const char *text, size_t len, struct config_errors *errs);
void config_text_lines(const char *text, size_t len, struct config_errors *errs);

#endif
