#include "profile.h"

#include <string.h>

const json_t *sim_profile_trial(const json_t *root, const char *name)
{
	const json_t *trial;
	size_t i;

	json_array_foreach(json_object_get(root, "trials"), i, trial)
	{
		const char *its = json_string_value(json_object_get(trial, "name"));

		if (its && !strcmp(its, name))
			return trial;
	}
	return NULL;
}

double sim_profile_figure(const json_t *trial, const char *name, const char *what)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(trial, "figures"), i, one)
	{
		const char *its = json_string_value(json_object_get(one, "name"));

		if (its && !strcmp(its, name))
			return json_number_value(json_object_get(one, what));
	}
	return 0;
}

const json_t *sim_profile_fact(const json_t *trial, const char *name)
{
	return json_object_get(json_object_get(trial, "facts"), name);
}
