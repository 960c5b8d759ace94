#include "table.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

static void print_value(FILE *out, const json_t *value)
{
	if (json_is_boolean(value))
		fputs(json_is_true(value) ? "yes" : "no", out);
	else if (json_is_integer(value))
		fprintf(out, "%lld", (long long)json_integer_value(value));
	else if (json_is_string(value))
		fputs(json_string_value(value), out);
}

void table_device(FILE *out, json_t *device, const char *kind)
{
	json_t *value;
	const char *key;

	fprintf(out, "%s\n",
		strcmp(kind, "simulated") ? "Measured on this card."
					  : "SIMULATED: every figure below is the simulated "
					    "driver's own answer, of no real card.");
	json_object_foreach(device, key, value)
	{
		fprintf(out, "  %-24s ", key);
		print_value(out, value);
		fputc('\n', out);
	}
}

/* Four significant digits, without an exponent. */
static void print_number(FILE *out, double value)
{
	int digits = value != 0 ? 3 - (int)floor(log10(fabs(value))) : 0;

	fprintf(out, " %10.*f", digits < 0 ? 0 : digits > 4 ? 4 : digits, value);
}

static void print_figures(FILE *out, const json_t *figures)
{
	static const char *const columns[] = {"median", "p25", "p75", "p99", "max"};
	const json_t *figure;
	size_t i;

	if (!json_array_size(figures))
		return;
	fprintf(out, "  %-44s %-6s", "figure", "unit");
	for (int c = 0; c < 5; c++)
		fprintf(out, " %10s", columns[c]);
	fprintf(out, " %7s\n", "n");
	json_array_foreach(figures, i, figure)
	{
		fprintf(out, "  %-44s %-6s", text_of(figure, "name"), text_of(figure, "unit"));
		for (int c = 0; c < 5; c++)
			print_number(out,
				     json_number_value(json_object_get(figure, columns[c])));
		fprintf(out, " %7lld\n",
			(long long)json_integer_value(json_object_get(figure, "n")));
	}
}

void table_trial(FILE *out, json_t *trial)
{
	json_t *value;
	const char *key;
	size_t i;

	fprintf(out, "\n%s: %s\n", text_of(trial, "name"), text_of(trial, "question"));
	if (strcmp(text_of(trial, "status"), "ok") != 0)
		fprintf(out, "  %s: %s\n", text_of(trial, "status"), text_of(trial, "why"));
	json_object_foreach(json_object_get(trial, "facts"), key, value)
	{
		fprintf(out, "  %-44s ", key);
		print_value(out, value);
		fputc('\n', out);
	}
	json_array_foreach(json_object_get(trial, "checks"), i, value)
	{
		bool holds = json_is_true(json_object_get(value, "holds"));

		fprintf(
		    out, "  %-44s %s%s\n", text_of(value, "name"),
		    holds ? "holds" : "DOES NOT HOLD: ", holds ? "" : text_of(value, "why"));
	}
	print_figures(out, json_object_get(trial, "figures"));
}
