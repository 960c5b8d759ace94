#include "doctor/checkup.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

int checkup_init(struct checkup *checkup, bool print)
{
	*checkup =
	    (struct checkup){.findings = json_array(), .facts = json_object(), .print = print};
	return checkup->findings && checkup->facts ? 0 : -ENOMEM;
}

void checkup_finish(struct checkup *checkup)
{
	json_decref(checkup->findings);
	json_decref(checkup->facts);
}

void checkup_find(struct checkup *checkup, enum mark mark, const char *topic,
		  const char *format, ...)
{
	static const char *const words[] = {"note", "fine", "limit", "no"};
	va_list arguments;
	json_t *string;
	char *text;
	int wrote;

	va_start(arguments, format);
	wrote = vasprintf(&text, format, arguments);
	va_end(arguments);
	if (mark > checkup->worst)
		checkup->worst = mark;
	if (wrote < 0)
		return; /* the verdict holds, though its words are lost */
	/* Names come from outside: paths, devices, what a driver says. */
	for (char *at = text; *at; at++)
		if ((unsigned char)*at < ' ' || *at == 0x7f)
			*at = '?';
	if (checkup->print)
		printf("%-6s%-13s%s\n", words[mark], topic, text);
	string = json_string(text);
	if (!string) { /* not UTF-8: a finding is not lost for a path's sake */
		for (char *at = text; *at; at++)
			*at = (unsigned char)*at < 0x80 ? *at : '?';
		string = json_string(text);
	}
	json_array_append_new(
	    checkup->findings,
	    json_pack("{s:s, s:s, s:o}", "topic", topic, "mark", words[mark], "text", string));
	free(text);
}
