/*
 * The vtable of each row of policies.def, defined in the file of that name. Private to policy/:
 * policy.c hands a policy's calls to one of them, and auto chooses among them.
 */
#ifndef LOWTIDE_POLICY_POLICIES_H
#define LOWTIDE_POLICY_POLICIES_H

#include "core/state.h"

#define POLICY(name, description) extern const struct policy_kind policy_kind_##name;
#include "policies.def"
#undef POLICY

#endif
